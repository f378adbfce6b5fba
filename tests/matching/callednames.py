"""How an invented country's people are called: surnames and given names as frequent as in Japan, in the order of rank.

About half of all people bear one of the listed surnames; the others' are put together of two letters, and are as many
and as rare as real ones. The same holds for given names, of which each quarter of a century has its own.
"""

from __future__ import annotations

import random
from bisect import bisect
from itertools import accumulate, product

# residents of Japan among 10,000
SURNAMES = {
    "佐藤": 150, "鈴木": 140, "高橋": 110, "田中": 105, "伊藤": 85, "渡辺": 70, "山本": 83, "中村": 82, "小林": 81,
    "加藤": 70, "吉田": 65, "山田": 64, "佐々木": 53, "山口": 51, "松本": 50, "井上": 48, "木村": 45, "林": 43,
    "清水": 42, "斎藤": 30, "斉藤": 18, "齋藤": 9, "渡邊": 14, "渡邉": 6, "髙橋": 6, "山崎": 38, "森": 37, "池田": 35,
    "橋本": 35, "阿部": 33, "石川": 33, "山下": 33, "中島": 32, "石井": 31, "小川": 31, "前田": 31, "岡田": 30,
    "長谷川": 29, "藤田": 29, "後藤": 29, "近藤": 29, "村上": 28, "遠藤": 26, "青木": 26, "坂本": 26, "福田": 25,
    "太田": 25, "西村": 25, "藤井": 24, "藤原": 23, "岡本": 23, "金子": 23, "中野": 22, "三浦": 22, "原田": 21,
    "中川": 21, "松田": 20, "竹内": 19, "小野": 20, "中山": 19, "田村": 19, "石田": 18, "森田": 18, "上田": 18,
    "原": 18, "和田": 18, "柴田": 17, "酒井": 17, "工藤": 16, "横山": 16, "宮崎": 16, "宮本": 16, "内田": 16,
    "高木": 16, "安藤": 15, "谷口": 14, "大野": 14, "丸山": 14, "今井": 13, "高田": 13, "藤本": 13, "武田": 13,
    "村田": 13, "上野": 13, "杉山": 13, "増田": 13, "平野": 12, "大塚": 12, "千葉": 12, "久保": 12, "松井": 11,
    "小島": 11, "岩崎": 11, "桜井": 11, "野口": 11, "松尾": 11, "野村": 11, "木下": 11, "菊地": 11, "菊池": 10,
    "佐野": 10, "大西": 10, "杉本": 10, "新井": 10, "浜田": 9, "濱田": 2, "菅原": 9, "市川": 9, "水野": 9, "小松": 9,
    "島田": 9, "嶋田": 2, "古川": 8, "吉川": 8, "渡部": 8, "西田": 8, "広瀬": 7, "関": 7, "辻": 7, "沢田": 5,
    "澤田": 4, "滝沢": 3, "滝澤": 2, "国分": 2, "黒沢": 3, "黒澤": 2, "山﨑": 3, "宮﨑": 1, "中嶋": 4, "長島": 3,
    "長嶋": 2, "桑原": 6, "富田": 6, "冨田": 1, "栗原": 5, "柳沢": 3, "柳澤": 1, "一ノ瀬": 2, "井ノ上": 1,
    "三ツ木": 1, "五十嵐": 7, "佐久間": 5, "大久保": 7, "小野寺": 5,
}  # fmt: skip
_FIRST = (
    "大小上中下東西南北高長広深浅古新白黒青赤石岩川河山森林木松竹"
    "梅杉桜柳藤菊田野原谷沢島崎浜福吉安平永金玉宮寺神水清池井三八"
)
_SECOND = "田川山野原村木本島崎沢口井上下谷岡橋林森倉坂塚部瀬浦津江池畑尾山内山屋城宮根保石松"

_BORN = {
    ("男", 1930): (
        "茂 清 正 実 勇 博 昭 進 弘 三郎 正雄 義雄 武 勝 正夫 和夫 昭二 幸雄 政雄 清一 辰雄 久雄 一夫 信夫 豊 "
        "登 貞夫 寅吉 留吉"
    ),
    ("男", 1955): (
        "誠 隆 浩 修 茂 明 和彦 健一 博 豊 浩一 正 剛 哲也 英樹 直樹 哲 聡 学 秀樹 浩二 幸一 達也 康弘 和弘 "
        "雅彦 孝 勉 徹 守"
    ),
    ("男", 1980): (
        "大輔 健太 誠 直樹 翔太 健 達也 拓也 和也 翔 大樹 亮 雄太 学 剛 智也 洋平 健太郎 亮太 祐介 慎也 裕太 "
        "慎太郎 大介 康平"
    ),
    ("男", 2005): (
        "大翔 蓮 颯太 悠斗 翔 拓海 陽翔 優斗 陸 大和 湊 樹 悠真 蒼 律 朝陽 陽太 颯真 海斗 隼人 一颯 新 伊織 "
        "奏太 瑛太 そら はると"
    ),
    ("女", 1930): (
        "和子 幸子 節子 久子 恵子 洋子 文子 キヨ ハル フミ ヨシ キミ ミツ トシ ハナ 静子 千代 芳子 美代子 "
        "富美子 ヒサ シズ 八重 ウメ ツル"
    ),
    ("女", 1955): (
        "恵子 由美子 京子 久美子 明美 裕子 真由美 直美 智子 陽子 洋子 幸子 美智子 順子 和子 由美 由紀子 純子 "
        "真理子 典子 千恵子 香織 恵"
    ),
    ("女", 1980): (
        "愛 裕子 香織 美穂 麻衣 恵 舞 彩 あゆみ 久美子 亜希子 めぐみ 愛美 沙織 由佳 真由美 美咲 千尋 さやか "
        "麻美 絵美 優子 瞳 美樹 里美"
    ),
    ("女", 2005): (
        "陽葵 結菜 葵 さくら 美咲 優奈 凛 結愛 莉子 芽依 美桜 ひなた 杏 心春 咲良 結衣 陽菜 花音 美羽 ゆい "
        "琴音 心結 楓 紬 澪 詩 ひまり"
    ),
}
_MALE = (
    "健雄和正義英秀隆幸文俊政康直哲智浩大拓翔悠陽颯蓮優裕雅信克敏",
    "一二三太郎介也樹夫雄彦之人斗真平司治男志輝馬広",
)
_FEMALE = (
    "美由恵和幸千智真優彩愛菜結陽咲莉花春夏秋奈沙麻亜久佳理絵香",
    "子美代江枝恵香奈菜花里音乃衣羽穂紀咲実織絵佳世希保",
)
_RARE_SURNAMES, _RARE_GIVEN = 0.47, 0.45  # shares of people with a name that is in no list


class Names:
    """Draws names; the same random generator gives the same."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._listed = _Drawn(dict(SURNAMES))
        made = [one + other for one, other in product(_FIRST, _SECOND) if one != other]
        rng.shuffle(made)
        self._made = _Drawn({name: 1 / (rank + 12) for rank, name in enumerate(dict.fromkeys(made))})
        self._given = {era: _Drawn({n: 1 / (r + 4) for r, n in enumerate(text.split())}) for era, text in _BORN.items()}
        self._parts = {"男": _MALE, "女": _FEMALE}

    def surname(self) -> str:
        """A family's name."""
        return (self._made if self._rng.random() < _RARE_SURNAMES else self._listed).one(self._rng)

    def given(self, sex: str, year: int) -> str:
        """A name for a child of that sex, born in that year."""
        if self._rng.random() < _RARE_GIVEN:
            first, second = self._parts[sex]
            return self._rng.choice(first) + self._rng.choice(second)
        era = min((1930, 1955, 1980, 2005), key=lambda middle: abs(middle - year))
        return self._given[sex, era].one(self._rng)

    def twin(self, given: str, sex: str, year: int) -> str:
        """A name for somebody's twin: half of all differ in one letter."""
        first, second = self._parts[sex]
        other = (
            given[:-1] + self._rng.choice(second) if self._rng.random() < 0.5 else given[-1:] + self._rng.choice(first)
        )
        return other if other != given else self.twin(given, sex, year)


class _Drawn:
    def __init__(self, weights: dict[str, float]) -> None:
        self._names, self._sums = list(weights), list(accumulate(weights.values()))

    def one(self, rng: random.Random) -> str:
        return self._names[bisect(self._sums, rng.random() * self._sums[-1])]
