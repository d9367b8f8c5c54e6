"""Cloud regions: the grid zone that each stands in, and an annual factor of that zone.

Facts typed by hand; each factor names source and year. Where a region stands is what its provider
says; zones are spelt as Electricity Maps does. A region that is not here is not guessed.

Factors: `GCP` is Google's table of its regions (GoogleCloudPlatform/region-carbon-info, yearly,
2024, Apache-2.0): average life-cycle intensity of the grid, g CO2e/kWh; it is taken for every
provider's regions in the same zone. `MEE` is the announcement of China's Ministry of Ecology and
Environment and National Bureau of Statistics, 2024 No. 33: average of the regional grid in 2022.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from greensched.errors import Finding, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.carbon import Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnualFactor:
    """An annual mean of a zone [g CO2e/kWh]."""

    factor_g_per_kwh: float
    year: int
    basis: Basis
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudRegion:
    """`provider:region` stands in `zone`; `factor` is None where no source is at hand."""

    provider: str
    region: str
    place: str
    zone: str
    factor: AnnualFactor | None

    @property
    def name(self) -> str:
        """Return `provider:region`."""
        return f"{self.provider}:{self.region}"


_GCP: Final = "GoogleCloudPlatform/region-carbon-info 2024"
_MEE: Final = "MEE and NBS of China, announcement 2024 No. 33"
_GCP_2024: Final = {  # zone -> g/kWh
    "AU-NSW": 497.50,
    "AU-VIC": 454.37,
    "BE": 103.37,
    "BR-CS": 67.32,
    "CA-ON": 58.56,
    "CA-QC": 5.48,
    "CH": 15.05,
    "CL-SEN": 238.00,
    "DE": 275.82,
    "ES": 89.04,
    "FI": 39.32,
    "FR": 16.30,
    "GB": 105.94,
    "HK": 505.02,
    "ID": 560.55,
    "IL": 433.75,
    "IN-NO": 531.83,
    "IN-WE": 678.76,
    "IT-NO": 201.69,
    "JP-KN": 296.19,
    "JP-TK": 452.85,
    "KR": 356.57,
    "NL": 208.81,
    "PL": 642.88,
    "SG": 366.85,
    "TW": 439.29,
    "US-CAL-CISO": 169.28,
    "US-CAR-SC": 575.77,
    "US-MIDA-PJM": 323.05,
    "US-MIDW-MISO": 412.72,
    "US-NW-BPAT": 79.23,
    "US-NW-NEVP": 357.30,
    "US-NW-PACE": 555.17,
    "US-TEX-ERCO": 302.95,
    "ZA": 656.85,
}
_MEE_2022: Final = {"CN-NORTH": 677.6, "CN-NORTHWEST": 585.7, "CN-EAST": 561.7, "CN-SOUTH": 386.9}
_REGIONS: Final = {  # provider -> region, place, zone
    "aws": """
        af-south-1 Cape-Town ZA
        ap-east-1 Hong-Kong HK
        ap-northeast-1 Tokyo JP-TK
        ap-northeast-2 Seoul KR
        ap-northeast-3 Osaka JP-KN
        ap-south-1 Mumbai IN-WE
        ap-southeast-1 Singapore SG
        ap-southeast-2 Sydney AU-NSW
        ap-southeast-3 Jakarta ID
        ap-southeast-4 Melbourne AU-VIC
        ca-central-1 Montréal CA-QC
        cn-north-1 Beijing CN-NORTH
        cn-northwest-1 Ningxia CN-NORTHWEST
        eu-central-1 Frankfurt DE
        eu-central-2 Zürich CH
        eu-north-1 Stockholm SE
        eu-south-1 Milan IT-NO
        eu-south-2 Aragón ES
        eu-west-1 Ireland IE
        eu-west-2 London GB
        eu-west-3 Paris FR
        sa-east-1 São-Paulo BR-CS
        us-east-1 Northern-Virginia US-MIDA-PJM
        us-east-2 Ohio US-MIDA-PJM
        us-west-1 Northern-California US-CAL-CISO
        us-west-2 Oregon US-NW-BPAT
    """,
    "azure": """
        australiaeast New-South-Wales AU-NSW
        australiasoutheast Victoria AU-VIC
        brazilsouth São-Paulo BR-CS
        canadacentral Toronto CA-ON
        canadaeast Québec CA-QC
        eastasia Hong-Kong HK
        eastus Virginia US-MIDA-PJM
        francecentral Paris FR
        germanywestcentral Frankfurt DE
        italynorth Milan IT-NO
        japaneast Tokyo JP-TK
        japanwest Osaka JP-KN
        koreacentral Seoul KR
        northeurope Ireland IE
        polandcentral Warsaw PL
        southafricanorth Johannesburg ZA
        southcentralus Texas US-TEX-ERCO
        southeastasia Singapore SG
        spaincentral Madrid ES
        swedencentral Gävle SE
        switzerlandnorth Zürich CH
        uksouth London GB
        westeurope Netherlands NL
        westus California US-CAL-CISO
    """,
    "gcp": """
        africa-south1 Johannesburg ZA
        asia-east1 Taiwan TW
        asia-east2 Hong-Kong HK
        asia-northeast1 Tokyo JP-TK
        asia-northeast2 Osaka JP-KN
        asia-northeast3 Seoul KR
        asia-south1 Mumbai IN-WE
        asia-south2 Delhi IN-NO
        asia-southeast1 Singapore SG
        asia-southeast2 Jakarta ID
        australia-southeast1 Sydney AU-NSW
        australia-southeast2 Melbourne AU-VIC
        europe-central2 Warsaw PL
        europe-north1 Finland FI
        europe-southwest1 Madrid ES
        europe-west1 Belgium BE
        europe-west2 London GB
        europe-west3 Frankfurt DE
        europe-west4 Eemshaven NL
        europe-west6 Zürich CH
        europe-west8 Milan IT-NO
        europe-west9 Paris FR
        europe-west10 Berlin DE
        europe-west12 Turin IT-NO
        me-west1 Tel-Aviv IL
        northamerica-northeast1 Montréal CA-QC
        northamerica-northeast2 Toronto CA-ON
        southamerica-east1 São-Paulo BR-CS
        southamerica-west1 Santiago CL-SEN
        us-central1 Iowa US-MIDW-MISO
        us-east1 South-Carolina US-CAR-SC
        us-east4 Northern-Virginia US-MIDA-PJM
        us-east5 Columbus US-MIDA-PJM
        us-south1 Dallas US-TEX-ERCO
        us-west1 Oregon US-NW-BPAT
        us-west2 Los-Angeles US-CAL-CISO
        us-west3 Salt-Lake-City US-NW-PACE
        us-west4 Las-Vegas US-NW-NEVP
    """,
    "alibaba": """
        cn-beijing Beijing CN-NORTH
        cn-zhangjiakou Zhangjiakou CN-NORTH
        cn-hangzhou Hangzhou CN-EAST
        cn-shanghai Shanghai CN-EAST
        cn-shenzhen Shenzhen CN-SOUTH
        cn-hongkong Hong-Kong HK
        eu-central-1 Frankfurt DE
        ap-southeast-1 Singapore SG
    """,
}


def regions() -> Iterator[CloudRegion]:
    """Yield every region, by provider."""
    for provider, table in _REGIONS.items():
        for line in table.strip().splitlines():
            region, place, zone = line.split()
            yield CloudRegion(
                provider=provider,
                region=region,
                place=place.replace("-", " "),
                zone=zone,
                factor=_factor(zone),
            )


def find(name: str) -> CloudRegion:
    """Return the region `provider:region`; raises UsageError with the nearest that are known."""
    known = {region.name: region for region in regions()}
    found = known.get(name.lower())
    if found is not None:
        return found
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    what = f"the cloud region {name!r} is not known"
    remedy = (
        f"near: {', '.join(near)}"
        if near
        else f"such as aws:eu-central-1, of {', '.join(_REGIONS)}"
    )
    raise UsageError(Finding(where="--cloud", what=what, remedy=f"{remedy}; no zone is guessed"))


def _factor(zone: str) -> AnnualFactor | None:
    if zone in _GCP_2024:
        return AnnualFactor(
            factor_g_per_kwh=_GCP_2024[zone], year=2024, basis="lifecycle", source=_GCP
        )
    if zone in _MEE_2022:
        return AnnualFactor(
            factor_g_per_kwh=_MEE_2022[zone], year=2022, basis="unstated", source=_MEE
        )
    return None
