"""The laws by id: what each says, in words. A law's tests carry its id in their names."""

from typing import Final

LAWS: Final[dict[str, tuple[str, str]]] = {
    "I-01": ("conservation of work", "work done, left and lost is the work that was asked for"),
    "I-02": (
        "no work out of its window",
        "a job runs after its submission, on machines that are on",
    ),
    "I-03": (
        "capacity",
        "what is placed on a machine fits it at any time",
    ),
    "I-04": ("zero saving", "a scenario equal to its baseline saves exactly 0 of everything"),
    "I-05": (
        "energy integral",
        "energy is the exact integral of power, as by brute force",
    ),
    "I-06": ("splitting", "cutting an interval changes no sum, to the last unit"),
    "I-07": ("permutation", "the order of rows with distinct keys changes nothing"),
    "I-08": ("relabelling", "renaming that keeps the order changes nothing"),
    "I-09": (
        "unit scaling",
        "k times the intensity is k times the emissions; any units",
    ),
    "I-10": ("time shift", "moving all of time changes nothing"),
    "I-11": ("non-negativity", "nothing measured is negative; a saving may be, and is shown so"),
    "I-12": ("PUE monotone", "more PUE is never less energy, carbon or cost; below 1 is refused"),
    "I-13": ("embodied", "switching off saves none; a lifetime's shares sum to the whole"),
    "I-14": ("offsets", "no offset changes a gross figure"),
    "I-15": ("flat intensity", "on a flat grid shifting that changes no machine saves exactly 0"),
    "I-16": ("bounds", "no policy, plan or oracle beats its bound"),
    "I-17": ("information order", "the optimal planner is never worse for knowing the future"),
    "I-18": ("relaxation", "more slack, machines or room never raises an optimum"),
    "I-19": ("attribution", "Shapley: efficiency, symmetry, null player, additivity, order"),
    "I-20": ("scope", "control modes move lines between scopes and leave the total"),
    "I-21": ("market cap", "no more is matched than was retired or used, hour by hour"),
    "I-22": ("CFE", "a share; a surplus stays in its hour; hourly is at most annual"),
    "I-23": ("tidal", "machines of all roles are the fleet, each in one role at a time"),
    "I-24": ("elastic", "replicas stay in their limits; what is not served is counted"),
    "I-25": ("honesty", "work that is left undone is counted, priced and printed with the saving"),
    "I-26": ("determinism", "same input, same bytes, in any process and any batches"),
    "I-27": ("common random numbers", "runs that are compared see the same demand and outages"),
    "I-28": ("resume", "stopping at any instant and going on changes nothing"),
    "I-29": ("ledger", "every prefix verifies; a changed bit is found; export and import agree"),
    "I-30": ("gaps", "missing data is an error or told, never 0"),
    "I-31": ("LMDI", "effects sum to the change and flip sign with it"),
    "I-32": ("leakage", "what moves from one site to another adds up"),
}
