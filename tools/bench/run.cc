// One run: threads with an io_context each, workers spread over them, and a controlling task on the calling
// thread that takes the run through its phases: connect, create the bucket, prefill, warm up, measure.
#include <sysexits.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <deque>
#include <thread>

#include "common/async.h"
#include "common/text.h"
#include "tools/bench/bench.h"
#include "tools/bench/report.h"
#include "tools/bench/server_cpu.h"
#include "tools/bench/worker.h"

namespace gabion::bench {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(100);
// After the run workers get this long to finish what they have begun.
constexpr Duration kGrace = std::chrono::seconds(30);
constexpr std::uint64_t kObjectsByDefault = 1000;

struct Failure {
  int exit_code = EX_OK;
  std::string text;
};

class LoadThread {
 public:
  LoadThread() : io_(1), work_(io_.get_executor()), thread_([this] { io_.run(); }) {}
  ~LoadThread() {
    work_.reset();
    io_.stop();
    thread_.join();
  }
  Executor executor() { return io_.get_executor(); }
  ThreadStats& stats() { return stats_; }

 private:
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  ThreadStats stats_;
  std::thread thread_;
};

class Run {
 public:
  Run(const BenchOptions& options, Clock& clock, asio::io_context& control)
      : options_(options), shared_(options, clock), clock_(clock), signals_(control, SIGINT, SIGTERM) {}
  task<void> go(Result<Sizes> sizes, Result<Endpoint> endpoint);
  int exit_code() const { return failure_.exit_code; }

 private:
  bool fail(int code, std::string text);
  task<bool> prepare();
  task<bool> prefill();
  task<void> measure();
  task<std::optional<double>> server_cpu();
  // Until `duration` is over, a signal comes or, in the prefill, all objects are there.
  task<void> watch(std::string_view phase, std::optional<Duration> duration);
  void progress(std::string_view phase, Duration elapsed);
  task<void> join(Gate& gate);
  void report();
  void on_signal();

  const BenchOptions& options_;
  Shared shared_;
  Clock& clock_;
  asio::signal_set signals_;
  bool interrupted_ = false;
  Failure failure_;
  Outcome outcome_;
  std::uint64_t last_operations_ = 0;
  std::uint64_t last_bytes_ = 0;
  TimePoint last_shown_;
  std::atomic<unsigned> prefilling_{0};
  std::mutex prefill_mutex_;
  std::optional<Error> prefill_error_;
  std::atomic<unsigned> loading_{0};
  // Workers use the threads, so they end first.
  std::deque<LoadThread> threads_;
  std::deque<Worker> workers_;

  static task<void> prefill_with(Run& run, Worker& worker);
  static task<void> load_with(Run& run, Worker& worker);
};

bool Run::fail(int code, std::string text) {
  failure_ = {code, std::move(text)};
  fmt::print(stderr, "gabion bench: {}\n", failure_.text);
  return false;
}

std::string advice(const BenchOptions& options, const Error& error) {
  if (error.code == Errc::denied) {
    return fmt::format(
        "{} refused the credentials ({}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to the server's",
        options.endpoint, error.message);
  }
  return fmt::format("{} is not available: {}; is the server running there? Name another with --endpoint",
                     options.endpoint, error.message);
}

int exit_code_of(const Error& error) { return error.code == Errc::denied ? EX_NOPERM : EX_UNAVAILABLE; }

void Run::on_signal() {
  signals_.async_wait([this](const boost::system::error_code& code, int) {
    if (code) return;
    interrupted_ = true;
    shared_.stop = true;
  });
}

task<void> Run::go(Result<Sizes> sizes, Result<Endpoint> endpoint) {
  shared_.sizes = *sizes;
  shared_.endpoint = *endpoint;
  SystemRng rng;
  shared_.seed = rng.next();
  shared_.objects = options_.objects;
  const bool endless = options_.operation == Operation::put || options_.operation == Operation::multipart;
  if (shared_.objects == 0 && !endless) shared_.objects = kObjectsByDefault;
  on_signal();
  if (co_await prepare() && co_await prefill()) {
    co_await measure();
    report();
  }
  signals_.cancel();
  workers_.clear();
  threads_.clear();
}

task<bool> Run::prepare() {
  auto peer = resolve(shared_.endpoint);
  if (peer.has_error()) co_return fail(EX_NOHOST, peer.error().message);
  shared_.peer = *peer;
  for (unsigned i = 0; i < options_.threads; ++i) threads_.emplace_back();
  for (unsigned i = 0; i < options_.concurrency; ++i) {
    LoadThread& thread = threads_[i % threads_.size()];
    workers_.emplace_back(thread.executor(), shared_, thread.stats(), shared_.seed + i);
  }
  auto created = co_await run_on(threads_[0].executor(), workers_[0].create_bucket());
  if (created.has_error()) co_return fail(exit_code_of(created.error()), advice(options_, created.error()));
  co_return true;
}

task<void> Run::prefill_with(Run& run, Worker& worker) {
  auto done = co_await worker.prefill();
  if (done.has_error()) {
    const std::lock_guard lock(run.prefill_mutex_);
    run.prefill_error_ = done.error();
    run.shared_.stop = true;
  }
  run.prefilling_.fetch_sub(1);
}

task<void> Run::load_with(Run& run, Worker& worker) {
  co_await worker.load();
  run.loading_.fetch_sub(1);
}

task<bool> Run::prefill() {
  const bool reads = options_.operation != Operation::put && options_.operation != Operation::multipart;
  if (!reads || !options_.prefill) co_return true;
  Gate gate;
  prefilling_ = options_.concurrency;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    spawn(threads_[i % threads_.size()].executor(), gate, "bench prefill", prefill_with(*this, workers_[i]));
  }
  co_await watch("prefill", std::nullopt);
  co_await gate.close();
  if (prefill_error_) co_return fail(exit_code_of(*prefill_error_), advice(options_, *prefill_error_));
  if (interrupted_) co_return fail(128 + SIGINT, "interrupted before anything was measured");
  co_return true;
}

task<std::optional<double>> Run::server_cpu() {
  if (!options_.metrics) co_return std::nullopt;
  auto seconds = co_await read_cpu_seconds(*options_.metrics);
  if (seconds.has_value()) co_return *seconds;
  outcome_.server_cpu_problem = seconds.error().message;
  co_return std::nullopt;
}

task<void> Run::measure() {
  shared_.next_object = 0;
  // The gate must outlive workers that never come back, which report() then ends with the process.
  auto gate = std::make_unique<Gate>();
  loading_ = options_.concurrency;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    spawn(threads_[i % threads_.size()].executor(), *gate, "bench load", load_with(*this, workers_[i]));
  }
  co_await watch("warm-up", options_.warmup);
  const std::optional<double> cpu_before = co_await server_cpu();
  const TimePoint start = clock_.now();
  shared_.measuring = true;
  co_await watch("measure", options_.duration);
  shared_.measuring = false;
  outcome_.seconds = std::chrono::duration<double>(clock_.now() - start).count();
  const std::optional<double> cpu_after = co_await server_cpu();
  if (cpu_before && cpu_after) outcome_.server_cpu_seconds = *cpu_after - *cpu_before;
  shared_.stop = true;
  for (TimePoint end = clock_.now() + kGrace; loading_ > 0 && clock_.now() < end;)
    co_await clock_.sleep(kTick);
  outcome_.unfinished = loading_;
  if (outcome_.unfinished == 0) {
    co_await gate->close();
    co_return;
  }
  static_cast<void>(gate.release());
}

task<void> Run::watch(std::string_view phase, std::optional<Duration> duration) {
  const TimePoint start = clock_.now();
  last_shown_ = start;
  last_operations_ = last_bytes_ = 0;
  while (!shared_.stop) {
    const Duration elapsed = clock_.now() - start;
    if (duration && elapsed >= *duration) break;
    if (!duration && prefilling_ == 0) break;
    progress(phase, elapsed);
    co_await clock_.sleep(duration ? std::min(kTick, *duration - elapsed) : kTick);
  }
  if (isatty(STDERR_FILENO)) fmt::print(stderr, "\r\033[K");
}

// A line that is written over twice a second, on a terminal only.
void Run::progress(std::string_view phase, Duration elapsed) {
  const TimePoint now = clock_.now();
  const double since = std::chrono::duration<double>(now - last_shown_).count();
  if (!isatty(STDERR_FILENO) || since < 0.5) return;
  std::uint64_t operations = phase == "prefill" ? shared_.prefilled.load() : 0, bytes = 0, errors = 0;
  for (LoadThread& thread : threads_) {
    operations += thread.stats().operations();
    bytes += thread.stats().bytes();
    errors += thread.stats().errors();
  }
  fmt::print(stderr, "\r\033[K{} {:.0f} s: {:.0f} operations/s, {:.1f} MB/s, {} errors", phase,
             std::chrono::duration<double>(elapsed).count(),
             static_cast<double>(operations - last_operations_) / since,
             static_cast<double>(bytes - last_bytes_) / since / 1e6, errors);
  last_operations_ = operations;
  last_bytes_ = bytes;
  last_shown_ = now;
}

void Run::report() {
  outcome_.interrupted = interrupted_;
  for (LoadThread& thread : threads_) outcome_.add(thread.stats());
  const std::string text = options_.json ? as_json(options_, outcome_) : as_table(options_, outcome_);
  fmt::print("{}", text);
  std::fflush(stdout);
  if (outcome_.operations() == 0 && !interrupted_) failure_.exit_code = EX_UNAVAILABLE;
  if (outcome_.by_code.contains("WrongContent")) failure_.exit_code = EX_DATAERR;
  // Threads that still wait for an answer cannot be joined.
  if (outcome_.unfinished > 0) std::_Exit(failure_.exit_code == EX_OK ? EX_UNAVAILABLE : failure_.exit_code);
}

int usage(const std::string& text) {
  fmt::print(stderr, "gabion bench: {}\n", text);
  return EX_USAGE;
}

}  // namespace

int run_bench(const BenchOptions& options) {
  auto sizes = Sizes::parse(options.size);
  if (sizes.has_error()) return usage(sizes.error().message);
  auto endpoint = parse_endpoint(options.endpoint);
  if (endpoint.has_error()) return usage(endpoint.error().message);
  if (endpoint->secure) return usage("https endpoints are not supported by bench; give the server's http endpoint");
  if (options.metrics) {
    const auto metrics = parse_endpoint(*options.metrics);
    if (metrics.has_error()) return usage("--metrics: " + metrics.error().message);
    if (metrics->secure) return usage("--metrics: https endpoints are not supported by bench");
  }
  if (options.access_key.empty() || options.secret_key.empty()) {
    return usage("no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to those of the server");
  }
  if (options.concurrency < 1 || options.threads < 1 || options.duration.count() < 1) {
    return usage("--concurrency, --threads and --duration must be at least 1");
  }
  if (options.part_size < 5 * MiB) return usage("--part-size must be at least 5MiB, as S3 demands");
  RealClock clock;
  asio::io_context control(1);
  Run run(options, clock, control);
  asio::co_spawn(control, run.go(sizes, endpoint), [](std::exception_ptr exception) {
    if (exception) escaped_exception("bench", exception);
  });
  control.run();
  return run.exit_code();
}

}  // namespace gabion::bench
