"""The words that a licence uses most."""

import collections
import re

with open("/usr/share/common-licenses/GPL-3", encoding="utf-8") as licence:
    words = re.findall(r"[a-z]+", licence.read().lower())

for word, count in collections.Counter(words).most_common(10):
    print(f"{word} {count}")
