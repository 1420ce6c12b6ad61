# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
import re


def declarations(text: str) -> str:
    """What cffi takes of a header: no directives but numbers, nothing of C++, no bodies of functions."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"#ifdef __cplusplus.*?#endif", "", text, flags=re.S)
    text = re.sub(r"static inline [^{]*\{.*?\n\}", "", text, flags=re.S)
    text = re.sub(r"\bLIBCT_ENUM (?=\{)", "", text)
    numbers = re.findall(r"^#define (\w+) \(?(-?(?:0x)?[0-9a-fA-F]+)u?\)?[ \t]*$", text, flags=re.M)
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    return text + "".join(f"\n#define {name} {value}" for name, value in numbers)
