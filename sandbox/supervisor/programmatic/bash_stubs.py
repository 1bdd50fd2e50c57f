"""The functions that a bash program finds: text that bash reads before the program."""

import signal
from collections.abc import Sequence

from .channel import MAX_INPUT_BYTES, Tool
from .identifiers import bash_alias, bash_identifier

END_SIGNAL = signal.SIGRTMIN + 7
"""Ends the shell though it waits for a command substitution. Its own traps still run."""

FOLDER_MODE = 0o700
MAX_ARGUMENT_BYTES = MAX_INPUT_BYTES + 1

# Bash's own commands alone, under names that no function of the program's stands in for; the
# program's options and traps must neither disturb it nor see it.
_PREAMBLE = r"""builtin unset BASH_ENV
_ptc_folder=__FOLDER__
_ptc_count=0
_ptc_call() {
  builtin local - IFS=$' \t\n' _ptc_me _ptc_fd _ptc_word=1 _ptc_text=
  builtin set +euxCET
  _ptc_me=$_ptc_folder/$BASHPID.$((_ptc_count += 1))
  if (($# > 2)); then builtin set -- "$1" "${*:2}"; fi
  builtin printf %s "${2-{\}}" >|"$_ptc_me.in"
  /usr/bin/mkfifo "$_ptc_me.out" || builtin exit 1
  builtin exec {_ptc_fd}<>"$_ptc_me.out"
  builtin printf '%s %s\n' "${_ptc_me##*/}" "$1" >|"$_ptc_folder/requests"
  builtin read -r _ptc_word <&"$_ptc_fd"
  builtin exec {_ptc_fd}>&-
  if [[ $_ptc_word != 0 ]]; then builtin exit 1; fi
  builtin read -r -d '' _ptc_text <"$_ptc_me.result" || builtin true
  : >|"$_ptc_me.result"
  builtin printf %s "$_ptc_text"
}
builtin trap 'builtin exit 1' __SIGNAL__
"""

_FUNCTION = '__NAME__() { _ptc_call __INDEX__ "$@"; }\n'

_BESIDE_BUILTIN = r"""__NAME__() {
  if (($# == 1)) && [[ $1 == *([[:space:]])\{*\}*([[:space:]]) ]]; then _ptc_call __INDEX__ "$1"
  else builtin __NAME__ "$@"
  fi
}
"""
"""One argument that looks like a JSON object is a call; all else is the builtin's."""


def preamble(tools: Sequence[Tool], folder: str) -> str:
    """Return what bash is to read before a program that can call `tools`."""
    number = str(int(END_SIGNAL))
    text = _PREAMBLE.replace("__FOLDER__", folder).replace("__SIGNAL__", number)
    for index, tool in enumerate(tools):
        text += _filled(_FUNCTION, bash_identifier(tool.name), index)
        alias = bash_alias(tool.name)
        if alias is not None:
            text += _filled(_BESIDE_BUILTIN, alias, index)
    return text


def _filled(template: str, name: str, index: int) -> str:
    return template.replace("__NAME__", name).replace("__INDEX__", str(index))
