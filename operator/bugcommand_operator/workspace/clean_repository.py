"""A bare repository of our own, made fresh for one step, that borrows objects and holds nothing else.

Git only ever runs in such a repository when an agent's work is looked at: config, hooks, refs, attributes and
index are ours, and of the agent's repository nothing counts but its objects.
"""

import os
from collections.abc import Sequence

from bugcommand_operator.workspace.files import remove_tree
from bugcommand_operator.workspace.git import Git, Result

WORK_REF = "refs/heads/work"


class CleanRepository:
    def __init__(self, git: Git, folder: str, borrowed: Sequence[str]) -> None:
        self.git = git
        self.folder = folder
        remove_tree(folder)
        for name in ("objects/info", "objects/pack", "refs/heads", "refs/mentu", "info"):
            os.makedirs(f"{folder}/{name}")
        self._write("HEAD", f"ref: {WORK_REF}\n")
        self._write("config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n\tbigFileThreshold = 32m\n")
        self._write("info/exclude", "/.mentu\n")
        self._write("objects/info/alternates", "".join(f"{path}\n" for path in borrowed))

    def run(
        self,
        *arguments: str,
        data: bytes = b"",
        stdin: int = -1,
        check: bool = True,
        limit: int = 1 << 20,
        tree: str = "",
    ) -> Result:
        """Runs git here; `tree` makes it look at a folder of files, with an index of our own."""
        env = {"GIT_DIR": self.folder}
        if tree:
            env |= {"GIT_WORK_TREE": tree, "GIT_INDEX_FILE": f"{self.folder}/index"}
        cwd = tree or self.folder
        return self.git.run(arguments, cwd=cwd, env=env, data=data, stdin=stdin, check=check, limit=limit)

    def set_ref(self, ref: str, commit: str) -> None:
        self._write(ref, f"{commit}\n")

    def is_commit(self, commit: str) -> bool:
        return self.run("cat-file", "-e", f"{commit}^{{commit}}", check=False).code == 0

    def is_ancestor(self, older: str, newer: str) -> bool:
        return self.run("merge-base", "--is-ancestor", older, newer, check=False).code == 0

    def changed_paths(self, older: str, newer: str, limit: int) -> list[str]:
        """Paths that differ between two trees or commits; a rename counts as two."""
        result = self.run("diff-tree", "-r", "-z", "--no-renames", "--name-only", older, newer, limit=limit)
        return [path for path in result.out.decode("utf-8", "surrogateescape").split("\0") if path]

    def remove(self) -> None:
        remove_tree(self.folder)

    def _write(self, name: str, text: str) -> None:
        with open(f"{self.folder}/{name}", "w", encoding="utf-8") as file:
            file.write(text)
