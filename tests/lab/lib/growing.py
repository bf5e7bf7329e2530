# SPDX-License-Identifier: GPL-2.0-or-later
"""A log while somebody else writes it."""


class GrowingFile:
    """One reader's place in it. The file may come later."""

    def __init__(self, path):
        self._path = path
        self._offset = 0

    def new_lines(self):
        """Whole lines, as octets, since the last call."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        data = data[:data.rfind(b"\n") + 1]
        self._offset += len(data)
        return data.splitlines()
