// Measures, in processor time of one thread: MD5 in lanes for several concurrent bodies, alone and with SHA-256; the
// checksums; a whole body through Payload; one verification of a signature.
#include <ctime>

#include <cstdio>

#include "common/crc.h"
#include "common/digest.h"
#include "common/rng.h"
#include "gateway/s3/auth/checksum.h"
#include "gateway/s3/auth/md5_lanes.h"
#include "gateway/s3/auth/payload.h"
#include "tests/support/run.h"
#include "tests/support/s3_signer.h"

using namespace gabion;
using namespace gabion::gateway::s3;

namespace {

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

std::string random_text(std::size_t size) {
  SeededRng rng(size);
  std::string text(size, '\0');
  rng.fill(std::as_writable_bytes(std::span(text)));
  return text;
}

void print(const std::string& name, double bytes, double seconds) {
  std::printf("%-58s %7.2f GB/s\n", name.c_str(), bytes / seconds / 1e9);
}

task<bool> hash_stream(Md5Lanes& lanes, std::string body, std::size_t piece, int rounds, bool with_sha256) {
  Md5Stream md5_stream;
  Sha256Stream sha256_stream;
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t at = 0; at < body.size(); at += piece) {
      const ByteView bytes = as_bytes(body).subspan(at, std::min(piece, body.size() - at));
      co_await lanes.update(md5_stream, with_sha256 ? &sha256_stream : nullptr, bytes);
    }
  }
  co_return md5_stream.finish().size() == 16;
}

task<bool> hash_streams(int streams, std::size_t piece, bool with_sha256, const Md5LaneKernel* kernel) {
  Md5Lanes lanes(co_await asio::this_coro::executor, kernel);
  const std::string body = random_text(1 * MiB);
  std::vector<task<bool>> tasks;
  for (int i = 0; i < streams; ++i) tasks.push_back(hash_stream(lanes, body, piece, 256 / streams, with_sha256));
  const auto done = co_await gather(std::move(tasks));
  co_return done.size() == static_cast<std::size_t>(streams);
}

void bench_lanes() {
  std::vector<const Md5LaneKernel*> kernels = {nullptr};
  for (const Md5LaneKernel& kernel : md5_lane_kernels()) kernels.push_back(&kernel);
  for (const Md5LaneKernel* kernel : kernels) {
    for (const bool with_sha256 : {false, true}) {
      for (const std::size_t piece : {64 * KiB, 256 * KiB}) {
        for (const int streams : {1, 2, 3, 4, 8, 16}) {
          const double start = cpu_seconds();
          if (!test::run(hash_streams(streams, piece, with_sha256, kernel))) return;
          print(fmt::format("{}{} {:2} streams, {} KiB", kernel ? kernel->name : "alone", with_sha256 ? " MD5+SHA-256" : " MD5",
                            streams, piece / KiB),
                256 / streams * streams * 1.0 * MiB, cpu_seconds() - start);
        }
      }
    }
  }
}

void bench_checksums() {
  const std::string text = random_text(256 * KiB);
  for (const auto algorithm : {metadata::CRC32, metadata::CRC32C, metadata::CRC64NVME, metadata::SHA1, metadata::SHA256}) {
    ChecksumStream stream(*checksum_kind(algorithm));
    const double start = cpu_seconds();
    for (int i = 0; i < 1000; ++i) stream.update(as_bytes(text));
    print(std::string(stream.kind().name), 1000.0 * static_cast<double>(text.size()), cpu_seconds() - start);
  }
  const double start = cpu_seconds();
  std::uint64_t crc = 0;
  for (int i = 0; i < 400; ++i) crc = crc64nvme_by_tables(crc, as_bytes(text));
  print("CRC64NVME by tables", crc == 0 ? 0 : 400.0 * static_cast<double>(text.size()), cpu_seconds() - start);
}

void bench_authenticate() {
  const test::OneCredential credentials;
  const auto head = test::sign(test::request(
      "PUT", "/bucket/some/longer/key-0000001234",
      {{"Host", "localhost:9000"}, {"User-Agent", "bench"}, {"Content-Type", "binary/octet-stream"},
       {"Content-Length", "1024"}, {"x-amz-checksum-crc32", "AAAAAA=="}, {"x-amz-sdk-checksum-algorithm", "CRC32"},
       {"amz-sdk-invocation-id", "00000000-0000-0000-0000-000000000000"}}));
  const auto presigned = test::presign(test::request("GET", "/bucket/some/longer/key-0000001234", {{"Host", "localhost:9000"}}));
  constexpr int kRounds = 200000;
  for (const auto* request : {&head, &presigned}) {
    int accepted = 0;
    const double start = cpu_seconds();
    for (int i = 0; i < kRounds; ++i) accepted += authenticate(*request, credentials, {}, test::kNow).has_value();
    const double seconds = cpu_seconds() - start;
    std::printf("%-58s %7.2f us (%d accepted)\n", request == &head ? "SigV4 header verified" : "SigV4 presigned verified",
                seconds / kRounds * 1e6, accepted);
  }
}

}  // namespace

int main() {
  bench_authenticate();
  bench_checksums();
  bench_lanes();
}
