"""For each language: a program that does what people want of it, and one that fails.

The first prints 42, then each of its arguments in brackets, and writes what it read from
`in.txt` to `out/copy.txt`, in upper case. The second exits with the status and says on stderr
what the table has.
"""

from typing import NamedTuple


class Programs(NamedTuple):
    """Of one language."""

    works: str
    fails: str
    status: int
    complaint: str
    """Part of what the failing one leaves on stderr."""


_JS = """
    const fs = require('fs');
    console.log(6 * 7);
    for (const argument of process.argv.slice(2)) console.log(`[${argument}]`);
    fs.mkdirSync('out');
    fs.writeFileSync('out/copy.txt', fs.readFileSync('in.txt', 'utf8').toUpperCase());
"""

PROGRAMS: dict[str, Programs] = {
    "py": Programs(
        """
        import pathlib, sys
        print(6 * 7)
        for argument in sys.argv[1:]:
            print(f'[{argument}]')
        pathlib.Path('out').mkdir()
        pathlib.Path('out/copy.txt').write_text(open('in.txt').read().upper())
        """,
        "raise ValueError('no luck')",
        1,
        "ValueError: no luck",
    ),
    "js": Programs(_JS, "throw new TypeError('no luck')", 1, "TypeError: no luck"),
    "node": Programs(_JS, "throw new TypeError('no luck')", 1, "TypeError: no luck"),
    "ts": Programs(
        """
        import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
        enum Answer { Everything = 42 }
        namespace Text { export const upper = (text: string): string => text.toUpperCase(); }
        console.log(Answer.Everything as number);
        for (const argument of process.argv.slice(2)) console.log(`[${argument}]`);
        await Promise.resolve();
        mkdirSync('out');
        writeFileSync('out/copy.txt', Text.upper(readFileSync('in.txt', 'utf8')));
        """,
        "const broken: = 1;",
        1,
        "main.ts:1",
    ),
    "bash": Programs(
        """
        echo $((6 * 7))
        printf '[%s]\\n' "$@"
        mkdir out && tr a-z A-Z < in.txt > out/copy.txt
        """,
        "ls /nope; exit 3",
        3,
        "No such file or directory",
    ),
    "c": Programs(
        """
        #include <ctype.h>
        #include <stdio.h>
        #include <sys/stat.h>
        int main(int argc, char **argv) {
            printf("%d\\n", 6 * 7);
            for (int i = 1; i < argc; i++) printf("[%s]\\n", argv[i]);
            mkdir("out", 0755);
            FILE *in = fopen("in.txt", "r"), *out = fopen("out/copy.txt", "w");
            for (int c; (c = fgetc(in)) != EOF;) fputc(toupper(c), out);
            return fclose(out);
        }
        """,
        "int main(void) { return missing; }",
        1,
        "main.c:1",
    ),
    "cpp": Programs(
        """
        #include <algorithm>
        #include <filesystem>
        #include <fstream>
        #include <iostream>
        #include <iterator>
        int main(int argc, char **argv) {
            std::cout << 6 * 7 << std::endl;
            for (int i = 1; i < argc; i++) std::cout << "[" << argv[i] << "]\\n";
            std::ifstream in("in.txt");
            std::string text(std::istreambuf_iterator<char>(in), {});
            std::ranges::transform(text, text.begin(), ::toupper);
            std::filesystem::create_directory("out");
            std::ofstream("out/copy.txt") << text;
        }
        """,
        "int main() { return missing; }",
        1,
        "main.cpp:1",
    ),
    "java": Programs(
        """
        import java.nio.file.*;
        class Helper { static int answer() { return 6 * 7; } }
        public class Whatever {
            public static void main(String[] args) throws Exception {
                System.out.println(Helper.answer());
                for (String argument : args) System.out.println("[" + argument + "]");
                Files.createDirectory(Path.of("out"));
                String text = Files.readString(Path.of("in.txt")).toUpperCase();
                Files.writeString(Path.of("out/copy.txt"), text);
            }
        }
        """,
        "class A { public static void main(String[] args) { int n = null; } }",
        1,
        "Main.java:1: error:",
    ),
    "php": Programs(
        """
        <?php
        echo 6 * 7, "\\n";
        foreach (array_slice($argv, 1) as $argument) echo "[$argument]\\n";
        mkdir('out');
        file_put_contents('out/copy.txt', strtoupper(file_get_contents('in.txt')));
        """,
        "<?php throw new Exception('no luck');",
        255,
        "no luck",
    ),
    "rs": Programs(
        """
        use std::{env, fs};
        fn main() -> std::io::Result<()> {
            println!("{}", 6 * 7);
            for argument in env::args().skip(1) {
                println!("[{argument}]");
            }
            fs::create_dir("out")?;
            fs::write("out/copy.txt", fs::read_to_string("in.txt")?.to_uppercase())
        }
        """,
        'fn main() { let n: i32 = "text"; }',
        1,
        "main.rs:1",
    ),
    "go": Programs(
        """
        package main

        import (
            "fmt"
            "os"
            "strings"
        )

        func main() {
            fmt.Println(6 * 7)
            for _, argument := range os.Args[1:] {
                fmt.Printf("[%s]\\n", argument)
            }
            text, err := os.ReadFile("in.txt")
            if err != nil {
                panic(err)
            }
            os.Mkdir("out", 0o755)
            os.WriteFile("out/copy.txt", []byte(strings.ToUpper(string(text))), 0o644)
        }
        """,
        "package main\n\nfunc main() { missing() }",
        1,
        "main.go:3",
    ),
    "d": Programs(
        """
        import std.file, std.string;
        import std.stdio : writefln, writeln;
        void main(string[] args) {
            writeln(6 * 7);
            foreach (argument; args[1 .. $]) writefln("[%s]", argument);
            std.file.mkdir("out");
            std.file.write("out/copy.txt", std.file.readText("in.txt").toUpper);
        }
        """,
        'void main() { int n = "text"; }',
        1,
        "main.d(1",
    ),
    "f90": Programs(
        """
        program works
            implicit none
            character(len=200) :: line
            integer :: i, code
            print '(i0)', 6 * 7
            do i = 1, command_argument_count()
                call get_command_argument(i, line, length=code)
                print '(a)', '[' // line(1:code) // ']'
            end do
            call execute_command_line('mkdir out')
            open(unit=1, file='in.txt', action='read')
            open(unit=2, file='out/copy.txt', action='write')
            read(1, '(a)') line
            do i = 1, len_trim(line)
                code = iachar(line(i:i))
                if (code >= 97 .and. code <= 122) line(i:i) = achar(code - 32)
            end do
            write(2, '(a)') trim(line)
        end program
        """,
        "program fails\n  implicit none\n  n = 1\nend program\n",
        1,
        "main.f90:3",
    ),
    "r": Programs(
        """
        cat(6 * 7, "\\n", sep = "")
        for (argument in commandArgs(trailingOnly = TRUE)) cat("[", argument, "]\\n", sep = "")
        dir.create("out")
        writeLines(toupper(readLines("in.txt")), "out/copy.txt")
        """,
        "stop('no luck')",
        1,
        "no luck",
    ),
}
