"""Power cuts: the server runs on lossyfs, is killed under load, and all that was not synced is gone or torn. Nothing
acknowledged may be missing. GABION_POWER_CUTS asks for more states than the hundred of CI."""

from lossy import LossyDisk
from outcome import check, run_test
from rounds import how_many, run_rounds
from server import Server


def body(directory):
    states = how_many("GABION_POWER_CUTS", 100)
    with LossyDisk(directory) as disk:
        def cut(number):
            disk.command("crash drop" if number % 2 == 0 else f"crash torn {number}")
        server = Server(directory / "server", drives=disk.drives(6))
        try:
            problems = run_rounds(server, directory, states * 4 // 5, cut, seed=12, seconds=(0.05, 0.25))
            check(not problems, "; ".join(problems[:3]))
        finally:
            server.kill()


if __name__ == "__main__":
    run_test(body)
