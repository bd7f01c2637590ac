// What metadata costs in CPU time: commits at a given concurrency, lookups, listings, and the next start.
//   metadata_bench [objects] [drives] [concurrency] [directory]
#include <sys/resource.h>
#include <time.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdio>

#include "metadata/local_metadata.h"
#include "tests/support/run.h"
#include "tests/support/temp_dir.h"

namespace gabion::metadata {
namespace {

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}
double wall_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

class Measure {
 public:
  void print(const char* what, std::size_t n) const {
    const double cpu = cpu_seconds() - cpu_, wall = wall_seconds() - wall_;
    std::printf("%-28s %9zu in %6.2f s; CPU %6.2f s = %7.3f us each, %9.0f per CPU second\n", what, n, wall, cpu,
                cpu * 1e6 / static_cast<double>(n), static_cast<double>(n) / cpu);
  }

 private:
  double cpu_ = cpu_seconds(), wall_ = wall_seconds();
};

std::string key(std::size_t i) { return fmt::format("prefix/{:03d}/object-{:012d}", i % 100, i); }

Command put(BucketId bucket, std::size_t i) {
  Command command;
  PutObject& op = *command.mutable_put_object();
  op.set_bucket(bucket);
  op.set_key(key(i));
  op.mutable_version()->set_size(1024);
  op.mutable_version()->set_etag(std::string(16, static_cast<char>(i)));
  op.mutable_version()->set_content_type("application/octet-stream");
  op.mutable_version()->set_owner("root");
  op.mutable_version()->mutable_checksum()->set_algorithm(CRC64NVME);
  op.mutable_version()->mutable_checksum()->set_value("12345678");
  op.mutable_manifest()->set_size(1024);
  op.mutable_manifest()->set_wrapped_key(std::string(60, 'k'));
  op.mutable_manifest()->set_data_shards(4);
  op.mutable_manifest()->set_parity_shards(2);
  op.mutable_manifest()->set_inline_data(std::string(1040, static_cast<char>(i)));
  return command;
}

task<Result<void>> put_some(Metadata& metadata, BucketId bucket, std::size_t& next, std::size_t end) {
  while (next < end) {
    const std::size_t i = next++;
    auto result = co_await metadata.commit(Context(), put(bucket, i));
    if (!result) co_return result.error();
  }
  co_return Result<void>();
}

task<void> put_all(Metadata& metadata, BucketId bucket, std::size_t objects, std::size_t concurrency) {
  std::size_t next = 0;
  std::vector<task<Result<void>>> clients;
  for (std::size_t i = 0; i < concurrency; ++i) clients.push_back(put_some(metadata, bucket, next, objects));
  const auto results = co_await gather(std::move(clients));
  for (const auto& result : results) {
    if (!result) std::printf("error: %s\n", result.error().message.c_str());
  }
}

task<void> get_all(Metadata& metadata, BucketId bucket, std::size_t objects, std::size_t gets) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < gets; ++i) {
    const auto object = co_await metadata.object(Context(), bucket, key(i * 7919 % objects), Metadata::With::manifest);
    found += object ? 1 : 0;
  }
  if (found != gets) std::printf("found %zu of %zu\n", found, gets);
}

task<void> list_all(Metadata& metadata, BucketId bucket, std::size_t& listed) {
  ListRequest request;
  request.bucket = bucket;
  for (bool more = true; more;) {
    const auto page = (co_await metadata.list_objects(Context(), request)).value();
    listed += page.objects.size();
    more = page.truncated;
    request.after = page.last;
  }
}

class Bench {
 public:
  Bench(std::string root, std::size_t drives) : root_(std::move(root)) {
    SeededRng ids(3);
    for (std::size_t i = 0; i < drives; ++i) {
      roots_.push_back(root_ + "/drive" + std::to_string(i));
      std::filesystem::create_directories(roots_.back());
      disks_.push_back(PosixDisk::open_root(roots_.back()).value());
      ids_.push_back(DriveId::random(ids));
    }
  }
  void open(bool allow_new) {
    LocalMetadataOptions options;
    for (std::size_t i = 0; i < disks_.size(); ++i)
      options.drives.emplace_back(ids_[i], disks_[i].get(), roots_[i], log_.get_executor());
    options.commit = commit_.get_executor();
    options.readers = readers_.get_executor();
    options.background = background_.get_executor();
    options.clock = &clock_;
    options.rng = &rng_;
    options.metrics = &metrics_;
    options.allow_new = allow_new;
    metadata_ = test::run(LocalMetadata::open(std::move(options))).value();
  }
  void stop() {
    test::run(metadata_->stop());
    metadata_.reset();
  }
  LocalGroup& metadata() { return metadata_->root(); }
  const LocalMetadataMetrics& metrics() const { return metrics_; }

 private:
  std::string root_;
  std::vector<std::string> roots_;
  std::vector<std::unique_ptr<PosixDisk>> disks_;
  std::vector<DriveId> ids_;
  // The commit loop gets an io_context, as in production: posts are cheaper than to a pool.
  asio::thread_pool commit_{1}, readers_{1}, background_{1}, log_{2};
  RealClock clock_;
  SystemRng rng_;
  LocalMetadataMetrics metrics_;
  std::unique_ptr<LocalMetadata> metadata_;
};

void run(std::size_t objects, std::size_t drives, std::size_t concurrency, std::string root) {
  Bench bench(std::move(root), drives);
  bench.open(true);
  Command create;
  create.mutable_create_bucket()->set_name("bucket");
  const BucketId bucket = test::run(bench.metadata().commit(Context(), create)).value().bucket().id();
  {
    const Measure measure;
    test::run(put_all(bench.metadata(), bucket, objects, concurrency));
    measure.print("commit 1 KiB inline", objects);
    std::printf("commands in a round: %.1f\n", static_cast<double>(bench.metrics().group.commands.value()) /
                                                   static_cast<double>(bench.metrics().group.rounds.value()));
  }
  for (const char* what : {"get, first", "get, again"}) {
    const Measure measure;
    test::run(get_all(bench.metadata(), bucket, objects, std::min<std::size_t>(objects, 50'000)));
    measure.print(what, std::min<std::size_t>(objects, 50'000));
  }
  for (const char* what : {"list, first", "list, again"}) {
    std::size_t listed = 0;
    const Measure measure;
    test::run(list_all(bench.metadata(), bucket, listed));
    measure.print(what, listed);
  }
  {
    const Measure measure;
    bench.stop();
    measure.print("stop", 1);
  }
  {
    const Measure measure;
    bench.open(false);
    measure.print("start", 1);
  }
  bench.stop();
}

}  // namespace
}  // namespace gabion::metadata

int main(int argc, char** argv) {
  const auto number = [&](int i, std::size_t otherwise) { return argc > i ? std::stoul(argv[i]) : otherwise; };
  gabion::test::TempDir temporary;
  gabion::metadata::run(number(1, 50'000), number(2, 3), number(3, 64), argc > 4 ? argv[4] : temporary.path());
}
