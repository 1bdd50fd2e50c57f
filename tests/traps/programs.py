"""For each language a program that prints 42, and does so in no other."""

PROGRAMS = {
    "py": "print(f'{6 * 7}')",
    "js": "console.log(typeof Bun === 'undefined' ? 'not bun' : 42)",
    "ts": "const answer: number = 42; console.log(answer)",
    "node": "console.log(typeof Bun === 'undefined' ? 42 : 'bun')",
    "bash": "echo $((6 * 7))",
    "c": '#include <stdio.h>\nint main(void) { int class = 42; printf("%d\\n", class); }',
    "cpp": "#include <iostream>\nint main() { std::cout << 42 << std::endl; }",
    "java": "class A { public static void main(String[] a) { System.out.println(42); } }",
    "php": '<?php echo 6 * 7, "\\n";',
    "rs": 'fn main() { println!("{}", 6 * 7); }',
    "go": 'package main\nimport "fmt"\nfunc main() { fmt.Println(6 * 7) }',
    "d": "import std.stdio;\nvoid main() { writeln(6 * 7); }",
    "f90": "program answer\n  print '(i0)', 6 * 7\nend program",
    "r": "cat(6 * 7, '\\n', sep = '')",
}
