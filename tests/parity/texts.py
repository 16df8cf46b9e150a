"""Queries and documents in many scripts, with what is known to trouble tokenizers."""

QUERY = "¿A qué temperatura hierve el agua? 水在几度沸腾"
INSTRUCTION = "Suche die Stelle, die die Frage beantwortet"
DOCUMENTS = (
    "At sea level water boils at 100 degrees Celsius.",
    "На уровне моря вода кипит при температуре сто градусов.",
    "水在海平面的沸点是一百摄氏度。",
    "يغلي الماء عند مئة درجة مئوية.",
    "समुद्र तल पर पानी सौ डिग्री पर उबलता है।",
    "바다 높이에서 물은 백 도에서 끓는다.",
    "e\u0301 composes \u212b, \ufb1d too; \U0001f468\u200d\U0001f469\u200d\U0001f467 stays together",
    "def boil(t):\n    return t >= 100\n\n\n# 1\t2  3   4",
    "x",
    "",
    " ".join(f"Line {number} of a long table gives {number * 37 % 101} degrees." for number in range(30)),
)
