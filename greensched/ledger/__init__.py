"""The ledger: an append-only record of entries in which a change is seen.

Rows are canonical JSON in a Merkle tree (RFC 9162) whose root is signed (Ed25519, C2SP
checkpoints). What it promises, and what it cannot: `docs/reference/ledger.md`.
"""

from greensched.ledger.checkpoint import Checkpoint, SignedCheckpoint, read_checkpoint, read_kept
from greensched.ledger.entries import run_records, run_sha256
from greensched.ledger.keys import default_ledger
from greensched.ledger.ledger import Appended, Ledger, Made, init_ledger
from greensched.ledger.note import VerifierKey, verifier_key
from greensched.ledger.proof import GrowthProof, RowProof, prove_growth, prove_row, read_proof
from greensched.ledger.record import KINDS, Record
from greensched.ledger.verify import Contents, Verified, read_contents, verify

__all__ = [
    "KINDS",
    "Appended",
    "Checkpoint",
    "Contents",
    "GrowthProof",
    "Ledger",
    "Made",
    "Record",
    "RowProof",
    "SignedCheckpoint",
    "Verified",
    "VerifierKey",
    "default_ledger",
    "init_ledger",
    "prove_growth",
    "prove_row",
    "read_checkpoint",
    "read_contents",
    "read_kept",
    "read_proof",
    "run_records",
    "run_sha256",
    "verifier_key",
    "verify",
]
