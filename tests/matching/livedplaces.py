"""Where an invented country's people live: addresses by their parts, and how a register writes them out."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

# each with a few of its real municipalities, so that prefectures, counties, wards and awkward names all occur
_MUNICIPALITIES = (
    "北海道 札幌市中央区", "北海道 札幌市西区", "北海道 伊達市", "北海道 河東郡音更町", "青森県 八戸市",
    "岩手県 下閉伊郡岩泉町", "宮城県 仙台市青葉区", "秋田県 由利本荘市", "山形県 東村山郡中山町", "福島県 伊達市",
    "福島県 郡山市", "茨城県 つくば市", "栃木県 那須塩原市", "群馬県 利根郡みなかみ町", "埼玉県 さいたま市大宮区",
    "埼玉県 鶴ヶ島市", "千葉県 市川市", "千葉県 鎌ケ谷市", "千葉県 八街市", "東京都 千代田区", "東京都 世田谷区",
    "東京都 府中市", "東京都 町田市", "東京都 武蔵村山市", "東京都 西多摩郡日の出町", "神奈川県 横浜市港北区",
    "神奈川県 川崎市中原区", "神奈川県 茅ヶ崎市", "新潟県 十日町市", "富山県 富山市", "石川県 野々市市",
    "福井県 あわら市", "山梨県 南アルプス市", "長野県 北佐久郡軽井沢町", "岐阜県 関市", "静岡県 浜松市中央区",
    "愛知県 蒲郡市", "愛知県 名古屋市千種区", "三重県 四日市市", "三重県 津市", "滋賀県 大津市",
    "京都府 京都市左京区", "大阪府 堺市堺区", "大阪府 大阪市北区", "大阪府 東大阪市", "兵庫県 神戸市灘区",
    "奈良県 大和郡山市", "和歌山県 和歌山市", "鳥取県 境港市", "島根県 松江市", "岡山県 倉敷市", "広島県 府中市",
    "広島県 廿日市市", "広島県 呉市", "山口県 光市", "徳島県 鳴門市", "香川県 高松市", "愛媛県 松山市",
    "高知県 四万十市", "福岡県 福岡市博多区", "福岡県 小郡市", "佐賀県 佐賀市", "長崎県 佐世保市",
    "熊本県 熊本市中央区", "大分県 別府市", "宮崎県 都城市", "鹿児島県 霧島市", "沖縄県 中頭郡読谷村",
)  # fmt: skip
_TOWN_FIRST = (
    "本 栄 旭 緑ケ 桜 若葉 泉 大手 新 東 西 南 北 元 美園 霞ヶ 松 "
    "梅 竹 上 下 中 宮 寺 川 富士見 弥生 八幡 日吉 稲荷 城 一番 三番 二十四軒"
)
_TOWN_LAST = "町 丘 台 野 原 が丘 ケ谷 ノ宮 山 沢 島 崎 田 浜 井 内 口 の里"
_HOUSES = (
    "グリーンハイツ コーポ桜 メゾン青葉 サンコート 県営住宅 "
    "パークサイド第二 ハイム ライオンズマンション ひかり荘 第一団地"
)


@dataclass(frozen=True, slots=True)
class Home:
    """An address by its parts; ``chome``, ``second`` and ``room`` are 0 and ``house`` is empty where there is none.

    ``numbered``: by 住居表示 (番, 号), otherwise by the land's 番地. ``aza``: the town is written with 大字 in front.
    """

    prefecture: str
    county: str
    municipality: str
    town: str
    aza: bool
    numbered: bool
    chome: int
    first: int
    second: int
    house: str
    room: int


class Places:
    """Draws homes; the same random generator gives the same."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        towns = [first + last for first in _TOWN_FIRST.split() for last in _TOWN_LAST.split()]
        odd = re.compile("番(?!町)|[ケヶ][ケがノの]")  # no such places are called: 緑ケが丘, 一番谷
        self._towns = [town for town in towns if not odd.search(town)]

    def home(self) -> Home:
        """Somewhere to live."""
        prefecture, municipality = self._rng.choice(_MUNICIPALITIES).split()
        county, found, rest = municipality.partition("郡")
        if not found or not rest.endswith(("町", "村")) or rest.startswith(("山", "市")):
            county, rest = "", municipality
        return self._in(prefecture, county + found if county else "", rest, self._rng.choice(self._towns))

    def near(self, home: Home) -> Home:
        """Another home in the same town."""
        other = self._in(home.prefecture, home.county, home.municipality, home.town)
        return other if (other.chome, other.first) != (home.chome, home.first) else self.near(home)

    def _in(self, prefecture: str, county: str, municipality: str, town: str) -> Home:
        rng = self._rng
        numbered = rng.random() < 0.6 and not county and not town.endswith("番町")
        chome = rng.randint(1, 9) if numbered else 0
        first = rng.randint(1, 40 if numbered else 3000)
        second = rng.randint(1, 30) if numbered or rng.random() < 0.6 else 0
        flat = rng.random() < (0.45 if numbered else 0.1)
        room = rng.randint(1, 9) * 100 + rng.randint(1, 12) if flat else 0
        house = rng.choice(_HOUSES.split()) if flat else ""
        aza = not numbered and rng.random() < 0.5 and not town.endswith("番町")
        return Home(prefecture, county, municipality, town, aza, numbered, chome, first, second, house, room)


def registered(home: Home) -> str:
    """As the register writes it, each municipality after its own custom."""
    place = home.prefecture + home.county + home.municipality + ("大字" if home.aza else "") + home.town
    if home.numbered:
        lot = f"{_kanji(home.chome)}丁目{home.first}番{home.second}号"
    else:
        lot = f"{home.first}番地" + (f"{home.second}" if home.second else "")
    house = f"　{home.house}{home.room}号室" if home.house else ""
    return place + lot + house


def _kanji(number: int) -> str:
    return "〇一二三四五六七八九"[number]
