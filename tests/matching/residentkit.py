"""A few residents whom tests ask for, and any number of others."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

from appliance.matching.attributes import FourAttributes

HANAKO = FourAttributes("高橋　花子", "東京都桜台市緑ケ丘一丁目２番３号　コーポ桜１０１号室", "1970-01-31", "女")
FATHER = FourAttributes("齋藤　正", "東京都桜台市大字平井2780番地", "1950-03-14", "男")
SON = replace(FATHER, birth_date="1980-11-02")
TWIN_A = FourAttributes("佐藤　一郎", "神奈川県横浜市港北区本町3-4-5", "2001-07-07", "男")
TWIN_B = replace(TWIN_A, name="佐藤　二郎")
REGISTER = [(HANAKO, "hanako"), (FATHER, "father"), (SON, "son"), (TWIN_A, "a"), (TWIN_B, "b")]


def unrelated(count: int, seed: int = 1) -> list[tuple[FourAttributes, str]]:
    """So many residents with names of their own, all born between 1930 and 2010."""
    rng = random.Random(seed)
    days = [date(1930, 1, 1) + timedelta(days=rng.randrange(29_200)) for _ in range(count)]
    return [
        (FourAttributes(f"住民{n} 第{n}子", f"千葉県市川市本町{n}", day.isoformat(), rng.choice("男女")), str(n))
        for n, day in enumerate(days)
    ]
