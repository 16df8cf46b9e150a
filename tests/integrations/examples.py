"""What the integrations are asked, and what the built-in model finds."""

QUERY = "Which planet has the strongest winds?"
TEXTS = [
    "Bread rises because yeast turns sugar into gas.",
    "Neptune has the strongest winds of all planets, above 2 000 kilometres an hour.",
    "The winds of Saturn reach 1 800 km/h near the equator: fast, but not the fastest.",
    "Mars is cold and dry.",
]
