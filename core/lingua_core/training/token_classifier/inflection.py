"""Forms of one word: what models change although they were asked to change nothing."""

__all__ = ["stem"]

_ENDINGS = ("ingly", "edly", "ing", "ed", "es", "ly", "s", "e")
_SHORTEST = 3
_IRREGULAR = """
be am is are was were been being; become became; begin began begun; break broke broken; bring brought;
build built; buy bought; catch caught; choose chose chosen; come came; do does did done; draw drew drawn;
drive drove driven; eat ate eaten; fall fell fallen; feel felt; fight fought; find found; fly flew flown;
forget forgot forgotten; get got gotten; give gave given; go goes went gone; grow grew grown; have has had;
hear heard; hold held; keep kept; know knew known; lead led; leave left; lose lost; make made; mean meant;
meet met; pay paid; rise rose risen; run ran; say said; see saw seen; sell sold; send sent; show shown;
sit sat; speak spoke spoken; spend spent; stand stood; swim swam swum; take took taken; teach taught;
tell told; think thought; understand understood; wear wore worn; win won; write wrote written;
child children; foot feet; man men; mouse mice; person people; tooth teeth; woman women
"""
_FIRST_FORMS = {
    form: forms[0] for forms in (line.split() for line in _IRREGULAR.split(";")) for form in forms[1:]
}
_PREFIX = 5
"""Letters by which words of other languages are told apart."""


def stem(word: str) -> str:
    """What forms of a word have in common: equal stems are forms of one word, in most cases.

    English endings are taken off, and frequent irregular forms are known; words with letters beyond ASCII are
    cut behind five letters. Words with digits stay whole: 1990 is no form of 1991.

    Args:
        word: In lower case.
    """
    word = _FIRST_FORMS.get(word, word)
    if any(character.isdigit() for character in word):
        return word
    if not word.isascii():
        return word[:_PREFIX]
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
            word = word.removesuffix(ending)
            break
    if word.endswith("y"):
        return word[:-1] + "i"
    return word[:-1] if len(word) > _SHORTEST and word[-1] == word[-2] else word
