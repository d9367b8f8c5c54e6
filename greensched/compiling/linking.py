"""Inner loops are handed on as LLVM's intermediate code, and become machine code with their entry.

numba optimises every function fully and turns it into machine code, together with a copy of all
that it calls, before it links it into its callers; of a hundred inner functions nothing but what
was linked into an entry is ever run. This leaves that out, which halves the time of compiling
and changes nothing of what an entry becomes (docs/decisions/0019-compiling.md).

It is numba's own way to replace a step of its compiler (`pipeline_class`), but the step's insides
are not a promise of numba's: where they are others than here, functions are compiled as ever.

Besides, numba compares the flags of functions tens of thousands of times, each time as two new
dictionaries of all options. What was set of them mostly tells the same.
"""

from __future__ import annotations

from typing import Any

LINKING: dict[str, Any] = {}  # options of `inner` functions
ENTERING: dict[str, Any] = {}  # options of `entry` functions

try:
    from numba import _dynfunc  # type: ignore[attr-defined]
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import Compiler, DefaultPassBuilder, Flags
    from numba.core.compiler_machinery import register_pass
    from numba.core.typed_passes import NativeLowering

    _NEEDED = (
        JITCodeLibrary._optimize_final_module,  # noqa: SLF001 to be replaced
        JITCodeLibrary._finalize_dynamic_globals,  # noqa: SLF001
        JITCodeLibrary._get_module_for_linking,  # noqa: SLF001
        Flags()._values,  # noqa: SLF001
    )
except (ImportError, AttributeError):
    pass
else:

    class _Flags(Flags):
        """Flags of a function, compared by what was set of them before all values are."""

        __slots__ = ()
        _hash = hash(Flags())  # numba's is that of the names of all options: it never differs

        def __eq__(self, other: object) -> bool:
            """Say whether all values are equal."""
            if isinstance(other, Flags) and self._values == other._values:
                return True
            return bool(Flags.__eq__(self, other))

        def __hash__(self) -> int:
            """Return the hash of equal flags."""
            return self._hash

    class _Linkable(JITCodeLibrary):
        """Code to be linked into others; no machine code is made of it."""

        def finalize(self) -> None:
            """Link what it calls, and let LLVM inline and simplify once."""
            for library in dict.fromkeys(self._linking_libraries):
                self._reload_init.update(library._reload_init)  # noqa: SLF001
                code = library._get_module_for_linking()  # noqa: SLF001
                self._final_module.link_in(code, preserve=True)
            passes, builder = self._codegen._module_pass_manager(  # noqa: SLF001
                loop_vectorize=False,
                slp_vectorize=False,
                opt=self._codegen._opt_level,  # noqa: SLF001
                cost="cheap",
            )
            passes.run(self._final_module, builder)
            self._finalize_dynamic_globals()
            self._finalized = True

    @register_pass(mutates_CFG=True, analysis_only=False)
    class _Lowering(NativeLowering):
        """numba's step from typed code to LLVM's, without the machine code at its end."""

        _name = "linkable_lowering"

        def run_pass(self, state: Any) -> bool:
            """Lower a function and register its code with its callers."""
            context, flags = state.targetctx, state.flags
            state.library = _Linkable(context.codegen(), state.func_id.func_qualname)
            flags.no_compile = True
            try:
                super().run_pass(state)
            finally:
                flags.no_compile = False
            made = state.cr
            name = made.fndesc.qualname.rpartition(".")[2]
            # A name for callers to find it by: there is no code behind it.
            known_as = _dynfunc.make_function(
                made.fndesc.lookup_module(), name, "", 0, made.env, (state.library,)
            )
            context.insert_user_function(known_as, made.fndesc, [state.library])
            state.cr = made._replace(cfunc=known_as)
            return True

    class _Entering(Compiler):
        """numba's compiler, with flags that are quickly compared."""

        def __init__(self, *arguments: Any) -> None:
            """Take what numba gives."""
            super().__init__(*arguments)
            self.state.flags.__class__ = _Flags

    class _Inner(_Entering):
        """The same with that one step replaced."""

        def define_pipelines(self) -> list[Any]:
            """Return the steps."""
            steps = DefaultPassBuilder.define_nopython_pipeline(self.state)
            steps.passes = [
                (_Lowering if step is NativeLowering else step, why) for step, why in steps.passes
            ]
            steps._finalized = False  # noqa: SLF001 a list of passes is final once it was made
            steps.finalize()
            return [steps]

    LINKING["pipeline_class"] = _Inner
    ENTERING["pipeline_class"] = _Entering
