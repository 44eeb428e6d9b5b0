"""Worked problems of school arithmetic, in the form of those that LLMLingua's alignment was measured on.

No set of them comes with this package (arXiv 2310.05736, table 3 has GSM8K); these were written for it.
"""

__all__ = ["DEMONSTRATIONS"]

DEMONSTRATIONS = (
    "Question: A bakery sells 48 rolls in the morning and half as many in the afternoon. Each roll "
    "costs $3. How much money does it take in?\n"
    "Let's think step by step.\n"
    "In the afternoon it sells 48 / 2 = 24 rolls. In all it sells 48 + 24 = 72 rolls. They bring 72 *"
    " 3 = $216.\n"
    "The answer is 216.",
    "Question: Ines reads 15 pages on each school day and 40 pages on each day of the weekend. Her "
    "book has 620 pages. How many weeks does she need?\n"
    "Let's think step by step.\n"
    "On school days she reads 15 * 5 = 75 pages. On weekends she reads 40 * 2 = 80 pages. A week "
    "makes 75 + 80 = 155 pages. She needs 620 / 155 = 4 weeks.\n"
    "The answer is 4.",
    "Question: A tank holds 900 litres. A pump fills 35 litres a minute while a leak loses 5 litres a"
    " minute. How long until the tank is full, if it holds 180 litres now?\n"
    "Let's think step by step.\n"
    "The tank gains 35 - 5 = 30 litres a minute. It lacks 900 - 180 = 720 litres. That takes 720 / 30"
    " = 24 minutes.\n"
    "The answer is 24.",
    "Question: Omar buys 6 shirts at $14 each and 2 pairs of shoes at $55 each, and gets 10% off the "
    "total. What does he pay?\n"
    "Let's think step by step.\n"
    "The shirts cost 6 * 14 = $84. The shoes cost 2 * 55 = $110. Together that is 84 + 110 = $194. "
    "The discount is 194 * 0.1 = $19.4. He pays 194 - 19.4 = $174.6.\n"
    "The answer is 174.6.",
    "Question: There are 28 pupils in a class, and 3/4 of them play an instrument. Of those, a third "
    "play the piano. How many pupils play another instrument?\n"
    "Let's think step by step.\n"
    "28 * 3 / 4 = 21 pupils play an instrument. 21 / 3 = 7 of them play the piano. So 21 - 7 = 14 "
    "play another one.\n"
    "The answer is 14.",
    "Question: A train covers 360 km in 4 hours. On the way back it is 15 km an hour slower. How long"
    " does the whole journey take?\n"
    "Let's think step by step.\n"
    "On the way there it goes 360 / 4 = 90 km an hour. On the way back it goes 90 - 15 = 75 km an "
    "hour, which takes 360 / 75 = 4.8 hours. The whole journey takes 4 + 4.8 = 8.8 hours.\n"
    "The answer is 8.8.",
    "Question: Lena saves $25 a month and her brother saves $10 more than that. After how many months"
    " do they have $720 together?\n"
    "Let's think step by step.\n"
    "Her brother saves 25 + 10 = $35 a month. Together they save 25 + 35 = $60 a month. 720 / 60 = 12"
    " months.\n"
    "The answer is 12.",
    "Question: A farmer plants 7 rows of 18 trees. Storms fell 19 trees, and he plants 12 new ones. "
    "Each tree bears 30 kg of apples. How many kg does he harvest?\n"
    "Let's think step by step.\n"
    "He begins with 7 * 18 = 126 trees. After the storms there are 126 - 19 = 107 trees. With the new"
    " ones there are 107 + 12 = 119 trees. They bear 119 * 30 = 3570 kg.\n"
    "The answer is 3570.",
)
"""A question and its worked solution each."""
