#include "tools/serve/node.h"

#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "common/async.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/http/server.h"
#include "gateway/s3/auth/md5_lanes.h"
#include "gateway/s3/s3_handler.h"
#include "tools/serve/addresses.h"
#include "tools/serve/admin_handler.h"
#include "tools/serve/process_metrics.h"
#include "tools/serve/storage.h"

namespace gabion::serve {
namespace {

constexpr int kExitUnavailable = 69;  // EX_UNAVAILABLE
constexpr int kExitConfig = 78;       // EX_CONFIG
constexpr std::size_t kDescriptorsMin = 128;
constexpr std::size_t kDescriptorsPerDrive = 16;

thread_local gateway::s3::Md5Lanes* t_md5_lanes = nullptr;

// The S3 port, the admin port and the threads that serve them.
class Front {
 public:
  Front(const Config& config, Storage& storage, IoThreads& threads, Clock& clock, Rng& rng, MetricsRegistry& registry);
  Result<void> start(std::shared_ptr<net::TlsContext> tls);
  void stop(Duration grace);
  std::uint16_t port() const { return port_; }  // 0: this node is no gateway
  std::uint16_t admin_port() const { return admin_port_; }

 private:
  gateway::http::ServerOptions server_options(net::ListenAddress address, std::shared_ptr<net::TlsContext> tls) const;
  Result<void> start_s3(gateway::http::ServerOptions options);

  const Config& config_;
  Storage& storage_;
  Clock& clock_;
  Rng& rng_;
  std::atomic<bool> serving_{false};
  gateway::s3::Options s3_options_;
  gateway::http::HttpMetrics http_metrics_, admin_metrics_;
  gateway::s3::S3Metrics s3_metrics_;
  std::vector<std::unique_ptr<gateway::s3::Md5Lanes>> lanes_;
  IoThreads& threads_;
  std::unique_ptr<gateway::s3::S3Handler> s3_;
  AdminHandler admin_;
  std::unique_ptr<gateway::http::HttpServer> s3_server_, admin_server_;
  std::uint16_t port_ = 0, admin_port_ = 0;
};

Front::Front(const Config& config, Storage& storage, IoThreads& threads, Clock& clock, Rng& rng, MetricsRegistry& registry)
    : config_(config), storage_(storage), clock_(clock), rng_(rng), threads_(threads),
      admin_(registry, [this] { return serving_ && storage_.ready(); }, &storage.administration()) {
  s3_options_.region = config.region;
  for (const std::string& domain : config.domains) s3_options_.domains.push_back(to_lower(domain));
  for (const auto& thread : threads.all()) {
    lanes_.push_back(std::make_unique<gateway::s3::Md5Lanes>(thread->executor()));
    asio::post(thread->context(), [lanes = lanes_.back().get()] { t_md5_lanes = lanes; });
  }
  s3_ = std::make_unique<gateway::s3::S3Handler>(
      s3_options_, storage.metadata(), storage.data(), storage.credentials(), clock, rng, [] { return t_md5_lanes; },
      [this] { return serving_ && storage_.ready(); }, s3_metrics_);
  s3_metrics_.register_in(registry);
  http_metrics_.register_with(registry, "port=\"s3\"");
  admin_metrics_.register_with(registry, "port=\"admin\"");
}

gateway::http::ServerOptions Front::server_options(net::ListenAddress address, std::shared_ptr<net::TlsContext> tls) const {
  gateway::http::ServerOptions options;
  options.address = std::move(address);
  options.tls = std::move(tls);
  options.max_connections = config_.connections;
  options.limits.head_time = std::chrono::seconds(config_.header_timeout_seconds);
  options.limits.idle_time = std::chrono::seconds(config_.idle_timeout_seconds);
  options.limits.body_bytes_per_second = config_.body_bytes_per_second;
  return options;
}

Result<void> Front::start(std::shared_ptr<net::TlsContext> tls) {
  // Both addresses before either server, so that no mistake leaves one running.
  TRY(const net::ListenAddress s3_address, listen_address(config_.listen));
  TRY(const net::ListenAddress admin_address, listen_address(config_.admin_listen));
  if (describe_node(config_).gateway()) TRY_OK(start_s3(server_options(s3_address, tls)));
  const gateway::http::ServerOptions admin_options = server_options(admin_address, tls);
  admin_server_ = std::make_unique<gateway::http::HttpServer>(threads_.executors(), clock_, rng_, admin_, admin_options,
                                                              admin_metrics_);
  auto started = admin_server_->start();
  if (!started) {
    stop(Duration::zero());
    return started.error();
  }
  admin_port_ = *started;
  serving_ = true;
  return {};
}

Result<void> Front::start_s3(gateway::http::ServerOptions options) {
  s3_server_ = std::make_unique<gateway::http::HttpServer>(threads_.executors(), clock_, rng_, *s3_, options, http_metrics_);
  TRY(port_, s3_server_->start());
  return {};
}

void Front::stop(Duration grace) {
  serving_ = false;
  const Executor executor = threads_.executors().front();
  if (port_ != 0) block_on(executor, s3_server_->stop(grace));
  if (admin_port_ != 0) block_on(executor, admin_server_->stop(Duration::zero()));
}

Result<void> raise_limits(std::size_t drives) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  const std::size_t least = kDescriptorsMin + kDescriptorsPerDrive * drives;
  if (limit.rlim_cur < least) {
    return Error(
        Errc::invalid,
        fmt::format("{} open files are allowed, {} drives need {}: raise the limit (ulimit -n, LimitNOFILE)",
                    limit.rlim_cur, drives, least));
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit shows as an error of the write
  return {};
}

void apply_log_settings(const Config& config) {
  log::set_level(config.log_level);
  if (config.log_format == "json") log::set_format(log::Format::json);
  if (config.log_format == "text") log::set_format(log::Format::text);
}

int refuse(const Error& error) {
  LOG(error, "serve", error.message);
  return error.code == Errc::invalid || error.code == Errc::corrupt ? kExitConfig : kExitUnavailable;
}

void announce(const Config& config, const Storage& storage, const Front& front) {
  const char* scheme = config.tls_certificate.empty() ? "http" : "https";
  const std::size_t missing = storage.drives_total() - storage.drives_up();
  if (missing != 0) {
    LOG(warn, "serve", "serving degraded: drives are missing", field("missing", missing), field("drives", storage.drives_total()),
        field("may_be_lost", storage.profile().parity));
  }
  if (storage.secrets().credentials_on_drives) {
    LOG(info, "serve", "the root credentials are kept on the drives", field("file", kCredentialsFile),
        field("access_key", storage.secrets().access_key));
  }
  if (storage.secrets().master_key_on_drives) {
    LOG(info, "serve", "the master key is kept on the drives it protects; give GABION_MASTER_KEY_FILE to keep it elsewhere");
  }
  LOG(info, "serve", "serving", field("endpoint", fmt::format("{}://{}", scheme, config.listen)), field("port", front.port()),
      field("admin_port", front.admin_port()), field("class", erasure::to_string(storage.profile())),
      field("drives", storage.drives_total()), field("version", GABION_VERSION));
}

// Until the node serves, which may take as long as its cluster does not answer, it may end at any moment: what was acknowledged
// is durable. Process 1 has no default action for these signals.
void end_at_once_when_told() {
  std::signal(SIGTERM, [](int) { std::_Exit(EXIT_SUCCESS); });
  std::signal(SIGINT, [](int) { std::_Exit(EXIT_SUCCESS); });
  std::signal(SIGHUP, SIG_IGN);
}

// Waits for SIGTERM or SIGINT; a second one ends the process at once. SIGHUP reloads.
void wait_for_stop(const std::function<void()>& reload) {
  asio::io_context io(1);
  asio::signal_set signals(io, SIGTERM, SIGINT, SIGHUP);
  std::function<void()> wait = [&] {
    signals.async_wait([&](const boost::system::error_code& error, int signal) {
      if (error) return;
      if (signal == SIGHUP) {
        reload();
        wait();
        return;
      }
      LOG(info, "serve", "stopping", field("signal", signal));
    });
  };
  wait();
  io.run();
  std::signal(SIGTERM, [](int) { std::_Exit(EXIT_FAILURE); });
  std::signal(SIGINT, [](int) { std::_Exit(EXIT_FAILURE); });
}

}  // namespace

int run_node(const Config& config, std::function<Result<Loaded>()> reload) {
  end_at_once_when_told();
  apply_log_settings(config);
  if (auto raised = raise_limits(config.drives.size()); !raised) return refuse(raised.error());
  RealClock clock;
  SystemRng rng;
  MetricsRegistry registry;
  register_process_metrics(registry);

  std::shared_ptr<net::TlsContext> tls;
  if (!config.tls_certificate.empty()) {
    auto loaded = net::TlsContext::load(config.tls_certificate, config.tls_key);
    if (!loaded) return refuse(Error(Errc::invalid, loaded.error().message));
    tls = std::move(*loaded);
  }
  IoThreads threads("io", config.threads != 0 ? config.threads : std::max(1u, std::thread::hardware_concurrency()));
  const GetEnv getenv = [](const char* name) { return std::getenv(name); };
  auto storage = Storage::open(config, getenv, threads.executors(), clock, rng, registry);
  if (!storage) return refuse(storage.error());
  Front front(config, **storage, threads, clock, rng, registry);
  (*storage)->start();
  if (auto started = front.start(tls); !started) {
    (*storage)->stop();
    return refuse(started.error());
  }
  announce(config, **storage, front);

  wait_for_stop([&] {
    if (auto loaded = reload(); loaded) log::set_level(loaded->config.log_level);
    else LOG(error, "serve", "the configuration was not reloaded", field("error", loaded.error().message));
    if (!tls) return;
    if (auto done = tls->reload(); done) LOG(info, "serve", "certificates reloaded");
    else LOG(error, "serve", "the certificates were not reloaded; the old ones stay", field("error", done.error().message));
  });
  front.stop(std::chrono::seconds(config.shutdown_seconds));
  (*storage)->stop();
  LOG(info, "serve", "stopped");
  return 0;
}

}  // namespace gabion::serve
