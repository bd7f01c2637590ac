// CPU seconds per GB of the data path over drives in memory that keep the caller's bytes: sealing, coding and their
// bookkeeping on PUT; fetching and opening on GET, healthy and with drives lost. Beside them the parts alone.
#include <fmt/format.h>

#include <ctime>

#include "common/log.h"
#include "gateway/data/block_store.h"
#include "gateway/data/seal.h"
#include "tests/support/data_rig.h"

namespace gabion::bench {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here
using Rig = test::DataRig;

constexpr std::size_t kObject = 64 * MiB;

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

// The least of several runs: the others were disturbed.
template <class Run>
void measure(const std::string& name, double bytes, Run run) {
  double best = 1e9;
  for (int i = 0; i < 8; ++i) {
    const double start = cpu_seconds();
    run();
    best = std::min(best, cpu_seconds() - start);
  }
  fmt::print("{:<44} {:7.3f} cpu-s/GB  {:6.2f} GB/cpu-s\n", name, best / bytes * 1e9, bytes / best / 1e9);
}

task<metadata::Manifest> put(Rig& rig, const std::string& content, std::size_t step) {
  auto writer = co_await rig.store.write(Context(), content.size());
  for (std::size_t i = 0; i < content.size(); i += step) {
    const auto result = co_await (*writer)->append(as_bytes(std::string_view(content).substr(i, step)));
    GABION_CHECK(result.has_value(), "the benchmark's drives work");
  }
  auto written = co_await (*writer)->finish();
  (*writer)->release();
  co_return written->manifest;
}

task<std::uint64_t> get(Rig& rig, metadata::Manifest manifest) {
  auto reader = co_await rig.store.read(Context(), metadata::kRootGroup, 1, manifest, 0, manifest.size());
  std::uint64_t total = 0;
  for (;;) {
    const auto piece = co_await (*reader)->next();
    if (!piece) fmt::print("{}\n", piece.error().message);
    GABION_CHECK(piece.has_value(), "the benchmark's drives work");
    if (piece->empty()) co_return total;
    total += piece->size();
  }
}

void parts(const std::string& content) {
  SeededRng rng(1);
  const BlockLayout layout({4, 2}, kBlockBytes, false);
  Buffer buffer(layout.buffer_bytes());
  Aead aead(SecretKey::random(rng));
  const double bytes = kBlockBytes;
  measure("parts: seal 8 MiB into a warm buffer", bytes, [&] {
    BlockSealer sealer(aead, BlockId{}, 0, buffer.span());
    sealer.append(as_bytes(content).first(kBlockBytes));
    sealer.finish();
  });
  const erasure::Codec codec({4, 2});
  measure("parts: encode 4+2", bytes, [&] {
    std::vector<ByteView> data;
    std::vector<MutableBytes> parity;
    for (unsigned i = 0; i < 6; ++i) {
      const MutableBytes shard = buffer.span().subspan(i * layout.shard_bytes(), layout.shard_bytes());
      if (i < 4) data.push_back(shard);
      else parity.push_back(shard);
    }
    codec.encode(data, parity);
  });
  Buffer plain(kBlockBytes);
  const std::vector<Bytes> pieces(1, Bytes(buffer).slice(0, layout.sealed()));
  BlockRef block;
  block.length = kBlockBytes;
  block.profile = {4, 2};
  measure("parts: open 8 MiB", bytes, [&] {
    GABION_CHECK(open_segments(aead, block, 0, layout.segments(), pieces, plain.span()).has_value(), "it opens");
  });
}

void path(erasure::Profile profile, const std::string& content) {
  Rig rig(profile);
  const std::string name = erasure::to_string(profile);
  const double bytes = kObject;
  for (const std::size_t step : {std::size_t{64 * KiB}, std::size_t{16 * KiB}}) {
    for (auto& drive : rig.drives) drive->faults.discard = true;
    measure(fmt::format("PUT {} 64 MiB in pieces of {} KiB", name, step / KiB), bytes,
            [&] { test::run(put(rig, content, step)); });
  }
  for (auto& drive : rig.drives) drive->faults.discard = false;
  const metadata::Manifest manifest = test::run(put(rig, content, 64 * KiB));
  measure(fmt::format("GET {} 64 MiB", name), bytes, [&] { test::run(get(rig, manifest)); });
  for (unsigned lost = 1; lost <= profile.parity; ++lost) {
    rig.placement.mark_failed(rig.placement.view()->drives[lost].id, "benchmark");
    measure(fmt::format("GET {} 64 MiB, {} drives lost", name, lost), bytes, [&] { test::run(get(rig, manifest)); });
  }
}

void small(std::size_t size) {
  Rig rig({4, 2});
  const std::string content(size, 'x');
  constexpr int kTimes = 2000;
  double best_put = 1e9, best_get = 1e9;
  for (int round = 0; round < 5; ++round) {
    // Drives that keep the bytes would keep the writers' buffers from being used again.
    for (auto& drive : rig.drives) drive->faults.discard = true;
    double start = cpu_seconds();
    const auto puts = [&]() -> task<void> {
      for (int i = 0; i < kTimes; ++i) (void)co_await put(rig, content, size);
    };
    test::run(puts());
    best_put = std::min(best_put, cpu_seconds() - start);
    for (auto& drive : rig.drives) drive->faults.discard = false;
    const metadata::Manifest manifest = test::run(put(rig, content, size));
    start = cpu_seconds();
    const auto gets = [&]() -> task<void> {
      for (int i = 0; i < kTimes; ++i) (void)co_await get(rig, manifest);
    };
    test::run(gets());
    best_get = std::min(best_get, cpu_seconds() - start);
  }
  fmt::print("PUT {:>7} B {:7.2f} us   GET {:7.2f} us\n", size, best_put / kTimes * 1e6, best_get / kTimes * 1e6);
}

}  // namespace
}  // namespace gabion::bench

int main() {
  gabion::SeededRng rng(7);
  std::string content(gabion::bench::kObject, '\0');
  rng.fill(std::as_writable_bytes(std::span(content)));
  gabion::log::set_level(gabion::log::Level::error);
  gabion::bench::parts(content);
  for (const gabion::erasure::Profile profile : {gabion::erasure::Profile{1, 0}, {4, 2}, {8, 3}})
    gabion::bench::path(profile, content);
  for (const std::size_t size : {1024ul, 16 * 1024ul, 100 * 1024ul, 200 * 1024ul, 1024 * 1024ul}) gabion::bench::small(size);
  return 0;
}
