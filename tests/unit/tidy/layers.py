"""Dependencies point down: each folder may include only the prefixes listed for it, and libraries that are expensive or
that only one part may know are included from that part alone. Fails with every offending line."""
import pathlib
import re
import sys

# folder -> project prefixes it may include (its own always)
LAYERS = {
    "common/net": ["common/"],
    "common": [],
    "ring": ["common/"],
    "erasure": ["common/"],
    "chunkserver": ["common/"],
    "metadata": ["common/", "ring/ring.h"],
    "metadata/cluster": ["common/", "ring/ring.h", "erasure/codec.h", "metadata/metadata.h", "metadata/records.pb.h"],
    "gateway/http": ["common/"],
    "gateway/data": ["common/", "ring/ring.h", "erasure/", "chunkserver/shard_store.h", "chunkserver/ring_epochs.h", "metadata/metadata.h",
                     "metadata/loans.h", "metadata/records.pb.h"],
    "gateway/s3": ["common/", "gateway/http/exchange.h", "gateway/data/data_store.h", "metadata/metadata.h",
                   "metadata/records.pb.h"],
    "tools": ["common/", "ring/", "erasure/", "chunkserver/", "metadata/", "gateway/", "tools/"],
}

# include prefix -> folders that may use it
LIBRARIES = {
    "boost/beast": ["common/third", "gateway/http/parser"],
    "boost/asio/ssl": ["common/third", "common/net", "tools/bench"],
    "boost/asio/ip": ["common/net", "tools"],
    "rocksdb/": ["chunkserver", "metadata", "tools/serve"],
    "pugixml": ["gateway/s3"],
    "CLI/": ["tools"],
    "toml++": ["tools"],
    "isa-l": ["common", "erasure"],
    "raft.h": ["metadata/raft/library_impl.h"],
    "metadata/raft/library_impl.h": ["metadata/raft/library"],
}

INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')


def layer_of(path):
    matches = [folder for folder in LAYERS if path.startswith(folder + "/")]
    return max(matches, key=len) if matches else None


def check(path, number, target):
    layer = layer_of(path)
    if layer is None:
        return None
    for library, users in LIBRARIES.items():
        if target.startswith(library) and not any(path.startswith(user) for user in users):
            return f"{path}:{number}: only {', '.join(users)} may include <{target}>"
    project = any(target.startswith(folder + "/") for folder in ("common", "ring", "erasure", "chunkserver", "metadata",
                                                                 "gateway", "tools", "tests"))
    if not project or target.startswith(layer + "/"):
        return None
    if any(target.startswith(prefix) for prefix in LAYERS[layer]):
        return None
    return f"{path}:{number}: {layer}/ may not include {target}"


def main(root):
    bad = []
    for folder in ("common", "ring", "erasure", "chunkserver", "metadata", "gateway", "tools"):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in (".h", ".cc"):
                continue
            path = file.relative_to(root).as_posix()
            for number, line in enumerate(file.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                problem = match and check(path, number, match.group(1))
                if problem:
                    bad.append(problem)
    print("\n".join(bad) if bad else "the layers hold")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
