"""What ordinary programs do besides computing still works under all that confines them.

Every library of the image has its tests in `tests/sandbox/`, under the same list of system
calls. Sockets of AF_NETLINK are refused: a program that asks for the names of the network's
interfaces is told that it may not, and none but such a program notices.
"""

import pytest

from tests.contracts.sandbox.lab import Lab

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

GIB = 1 << 30


class TestPython:
    async def test_children_threads_and_pools(self, lab: Lab) -> None:
        ran = await lab.python("""
            import concurrent.futures as futures, multiprocessing, subprocess

            def square(number):
                return number * number

            if __name__ == "__main__":
                child = subprocess.run(["echo", "child"], capture_output=True, text=True)
                print(child.stdout.strip())
                for way in "fork", "spawn", "forkserver":
                    with multiprocessing.get_context(way).Pool(2) as pool:
                        print(way, pool.map(square, range(3)))
                for kind in futures.ThreadPoolExecutor, futures.ProcessPoolExecutor:
                    with kind(2) as pool:
                        print(kind.__name__, list(pool.map(square, range(3))))
            """)

        assert ran.stdout.splitlines() == [
            "child",
            "fork [0, 1, 4]",
            "spawn [0, 1, 4]",
            "forkserver [0, 1, 4]",
            "ThreadPoolExecutor [0, 1, 4]",
            "ProcessPoolExecutor [0, 1, 4]",
        ], ran.stderr

    async def test_memory_that_processes_share(self, lab: Lab) -> None:
        ran = await lab.python("""
            from multiprocessing import shared_memory
            memory = shared_memory.SharedMemory(create=True, size=1 << 20)
            again = shared_memory.SharedMemory(memory.name)
            memory.buf[:2] = b"hi"
            print(bytes(again.buf[:2]))
            again.close(); memory.close(); memory.unlink()
            """)

        assert (ran.stdout, ran.stderr) == ("b'hi'\n", "")

    async def test_a_server_a_client_and_a_child_in_one_loop(self, lab: Lab) -> None:
        ran = await lab.python("""
            import asyncio

            async def answer(_, writer):
                writer.write(b"hi")
                writer.close()

            async def main():
                server = await asyncio.start_server(answer, "127.0.0.1", 0)
                reader, _ = await asyncio.open_connection(*server.sockets[0].getsockname())
                print(await reader.read())
                child = await asyncio.create_subprocess_exec("echo", "child", stdout=-1)
                print((await child.communicate())[0])

            asyncio.run(main())
            """)

        assert ran.stdout == "b'hi'\nb'child\\n'\n", ran.stderr

    async def test_calls_that_the_c_library_has_new_ways_for(self, lab: Lab) -> None:
        """It tries the newer call first and takes ENOSYS alone as a reason for the older."""
        ran = await lab.python("""
            import os, socket, uuid
            os.chmod("main.py", 0o600, follow_symlinks=False)
            print(oct(os.stat("main.py").st_mode & 0o777))
            print(socket.getaddrinfo("127.0.0.1", 80)[0][4], uuid.uuid1().version)
            os.sync()
            """)

        assert ran.stdout == "0o600\n('127.0.0.1', 80) 1\n", ran.stderr


@pytest.mark.parametrize("language", ["js", "node"])
async def test_javascript_has_workers_children_files_and_a_server(
    lab: Lab, language: str
) -> None:
    code = """
        const { Worker } = require('worker_threads');
        const net = require('net');
        console.log(require('child_process').execSync('echo child').toString().trim());
        require('fs').promises.writeFile('file', 'x').then(() => console.log('file'));
        new Worker("require('worker_threads').parentPort.postMessage('worker')", { eval: true })
            .on('message', (text) => console.log(text));
        const server = net.createServer((socket) => socket.end('server'));
        server.listen(0, '127.0.0.1', () => {
            net.connect(server.address().port, '127.0.0.1').on('data', (data) => {
                console.log(data.toString());
                server.close();
            });
        });
        """
    ran = await lab.run(language, code, (), {})

    assert ran.exit_code == 0, ran.stderr
    assert sorted(ran.stdout.split()) == ["child", "file", "server", "worker"]


async def test_go_has_a_server_that_answers(lab: Lab) -> None:
    """Its listeners try MPTCP first."""
    code = """
        package main

        import (
            "fmt"
            "io"
            "net"
            "net/http"
            "os/exec"
            "strings"
        )

        func main() {
            listener, err := net.Listen("tcp", "127.0.0.1:0")
            if err != nil {
                panic(err)
            }
            go http.Serve(listener, http.RedirectHandler("/elsewhere", http.StatusFound))
            connection, err := net.Dial("tcp", listener.Addr().String())
            if err != nil {
                panic(err)
            }
            fmt.Fprint(connection, "GET / HTTP/1.0\\r\\n\\r\\n")
            answer, _ := io.ReadAll(connection)
            child, _ := exec.Command("echo", "child").Output()
            fmt.Println(strings.Contains(string(answer), "/elsewhere"), string(child))
        }
        """
    ran = await lab.grown(GIB).run("go", code, (), {})

    assert ran.stdout.split() == ["true", "child"], ran.stderr


async def test_java_has_threads_children_and_sockets(lab: Lab) -> None:
    code = """
        import java.net.*;
        import java.util.concurrent.Executors;
        public class Main {
            public static void main(String[] args) throws Exception {
                var server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                Thread.ofVirtual().start(() -> {
                    try (var socket = server.accept()) { socket.getOutputStream().write('s'); }
                    catch (Exception fault) { fault.printStackTrace(); }
                });
                var client = new Socket(server.getInetAddress(), server.getLocalPort());
                System.out.println((char) client.getInputStream().read());
                var child = new ProcessBuilder("echo", "child").start();
                System.out.print(new String(child.getInputStream().readAllBytes()));
                try (var pool = Executors.newFixedThreadPool(2)) {
                    System.out.println(pool.submit(() -> 42).get());
                }
            }
        }
        """
    ran = await lab.grown(GIB).run("java", code, (), {})

    assert ran.stdout == "s\nchild\n42\n", ran.stderr


THREADS_OR_CHILDREN = {
    "rs": 'fn main() { println!("{}", std::thread::spawn(|| 42).join().unwrap()); }',
    "cpp": """
        #include <future>
        #include <iostream>
        int main() { std::cout << std::async(std::launch::async, [] { return 42; }).get(); }
        """,
    "d": """
        import std.parallelism, std.stdio;
        void main() { auto t = task!(() => 42); t.executeInNewThread(); writeln(t.yieldForce); }
        """,
    "r": "cat(parallel::mclapply(42, identity)[[1]])",
    "php": "<?php echo exec('echo 42');",
    "f90": "program p\ncall execute_command_line('echo 42')\nend program p",
}


@pytest.mark.parametrize("language", THREADS_OR_CHILDREN)
async def test_others_have_threads_or_children(lab: Lab, language: str) -> None:
    ran = await lab.grown(GIB).run(language, THREADS_OR_CHILDREN[language], (), {})

    assert ran.stdout.strip() == "42", ran.stderr
