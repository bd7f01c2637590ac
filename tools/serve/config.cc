#include "tools/serve/config.h"

#include <fmt/format.h>

#include <array>
#include <functional>
#include <toml++/toml.h>

#include "common/text.h"
#include "tools/serve/addresses.h"

namespace gabion::serve {
namespace {

constexpr std::uint64_t kAny = ~0ull;
constexpr std::uint64_t kDay = 86400;

const std::array kOptions = {
    Option{"drives", "", "GABION_DRIVES", "directories that hold the data, one a drive; /disk{1...6} expands", &Config::drives},
    Option{"replace", "--replace", "GABION_REPLACE", "empty directories among the drives that take the place of lost drives",
           &Config::replace},
    Option{"listen", "--listen", "GABION_LISTEN", "address and port of the S3 API", &Config::listen},
    Option{"admin.listen", "--admin-listen", "GABION_ADMIN_LISTEN", "address and port of metrics and health",
           &Config::admin_listen},
    Option{"threads", "--threads", "GABION_THREADS", "threads that serve requests; 0: one for each core",
           Number{&Config::threads, Unit::number, 0, 1024}},
    Option{"region", "--region", "GABION_REGION", "the region that signatures name", &Config::region},
    Option{"domains", "--domain", "GABION_DOMAINS", "domains for virtual-host requests: bucket.DOMAIN", &Config::domains},
    Option{"tls.certificate", "--tls-certificate", "GABION_TLS_CERTIFICATE", "PEM file with the certificate chain",
           &Config::tls_certificate},
    Option{"tls.key", "--tls-key", "GABION_TLS_KEY", "PEM file with the private key", &Config::tls_key},
    Option{"storage_class.standard", "--standard", "GABION_STANDARD",
           "data+parity shards of STANDARD, for example 4+2; empty: by the number of drives. Fixed once data exists",
           &Config::standard_class},
    Option{"memory.budget", "--memory", "GABION_MEMORY",
           "memory for data in flight; 0: a quarter of the machine's. Past it requests wait, then get 503 SlowDown",
           Number{&Config::memory_bytes, Unit::bytes, 0, kAny}},
    Option{"memory.wait", "--memory-wait", "GABION_MEMORY_WAIT", "how long a request waits for memory",
           Number{&Config::memory_wait_seconds, Unit::seconds, 0, 3600}},
    Option{"memory.metadata_cache", "--metadata-cache", "GABION_METADATA_CACHE", "memory that caches metadata",
           Number{&Config::metadata_cache_bytes, Unit::bytes, 1 << 20, kAny}},
    Option{"limits.connections", "--connections", "GABION_CONNECTIONS", "most connections at once",
           Number{&Config::connections, Unit::number, 1, 1000000}},
    Option{"limits.header_timeout", "--header-timeout", "GABION_HEADER_TIMEOUT", "time for a whole request head",
           Number{&Config::header_timeout_seconds, Unit::seconds, 1, kDay}},
    Option{"limits.idle_timeout", "--idle-timeout", "GABION_IDLE_TIMEOUT", "how long an idle connection is kept",
           Number{&Config::idle_timeout_seconds, Unit::seconds, 1, kDay}},
    Option{"limits.body_rate", "--body-rate", "GABION_BODY_RATE",
           "least bytes per second of a request body after 30 seconds of grace",
           Number{&Config::body_bytes_per_second, Unit::bytes, 0, kAny}},
    Option{"limits.shutdown", "--shutdown", "GABION_SHUTDOWN", "how long requests may take to finish at SIGTERM",
           Number{&Config::shutdown_seconds, Unit::seconds, 0, kDay}},
    Option{"background.gc_grace", "--gc-grace", "GABION_GC_GRACE", "how long deleted data is kept before it is erased",
           Number{&Config::gc_grace_seconds, Unit::seconds, 0, 365 * kDay}},
    Option{"background.orphans_interval", "--orphans-interval", "GABION_ORPHANS_INTERVAL",
           "how often the cluster looks for shards that nothing refers to; 0: only when an operator says so",
           Number{&Config::orphans_interval_seconds, Unit::seconds, 0, 3650 * kDay}},
    Option{"background.orphans_memory", "--orphans-memory", "GABION_ORPHANS_MEMORY",
           "memory for that; with more shards than fit, eight bytes each, the metadata is read several times",
           Number{&Config::orphans_memory_bytes, Unit::bytes, 64 << 10, kAny}},
    Option{"background.repair_rate", "--repair-rate", "GABION_REPAIR_RATE",
           "bytes per second that this node repairs, rebuilds and moves at most; 0: all that clients leave",
           Number{&Config::repair_bytes_per_second, Unit::bytes, 0, kAny}},
    Option{"background.compaction_rate", "--compaction-rate", "GABION_COMPACTION_RATE",
           "bytes per second and drive that compaction may write",
           Number{&Config::compaction_bytes_per_second, Unit::bytes, 1 << 20, kAny}},
    Option{"cluster.listen", "--cluster-listen", "GABION_CLUSTER_LISTEN",
           "address and port for other nodes; empty: none, or as `gabion admin cluster init` said", &Config::cluster_listen},
    Option{"cluster.advertise", "--cluster-advertise", "GABION_CLUSTER_ADVERTISE",
           "HOST:PORT at which other nodes reach this one; empty: as cluster.listen", &Config::cluster_advertise},
    Option{"cluster.join", "--join", "GABION_CLUSTER_JOIN", "HOST:PORT of nodes whose cluster to join, any of which will do",
           &Config::cluster_join},
    Option{"cluster.token", "--token", "GABION_CLUSTER_TOKEN",
           "the one-time token that `gabion admin cluster token` printed; needed for the first start alone",
           &Config::cluster_token},
    Option{"cluster.domain", "--domain-path", "GABION_CLUSTER_DOMAIN",
           "failure domain above the node, widest first, for example zone, rack; as many levels on every node",
           &Config::cluster_domain},
    Option{"cluster.roles", "--roles", "GABION_CLUSTER_ROLES", "what this node does: gateway, metadata, chunkserver",
           &Config::cluster_roles},
    Option{"cluster.out_after", "--out-after", "GABION_CLUSTER_OUT_AFTER",
           "how long a node or drive may be gone before what it held is rebuilt elsewhere",
           Number{&Config::cluster_out_after_seconds, Unit::seconds, 1, 365 * kDay}},
    Option{"log.level", "--log-level", "GABION_LOG_LEVEL", "debug, info, warn or error; SIGHUP reads it again",
           &Config::log_level},
    Option{"log.format", "--log-format", "GABION_LOG_FORMAT", "auto (text on a terminal, JSON otherwise), text or json",
           &Config::log_format},
};

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  for (const std::string_view item : split(text, ',')) {
    if (!trim(item).empty()) items.emplace_back(trim(item));
  }
  return items;
}

// "30", "30s", "10m", "2h", "7d".
std::optional<std::uint64_t> parse_seconds(std::string_view text) {
  if (text.empty()) return std::nullopt;
  static constexpr std::pair<char, std::uint64_t> kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', kDay}};
  for (const auto& [unit, seconds] : kUnits) {
    if (text.back() != unit) continue;
    const auto number = parse_u64(text.substr(0, text.size() - 1));
    if (!number || *number > kAny / seconds) return std::nullopt;
    return *number * seconds;
  }
  return parse_u64(text);
}

Result<void> assign_number(Config& config, const Number& number, std::string_view text) {
  const auto value = number.unit == Unit::bytes     ? parse_size(text)
                     : number.unit == Unit::seconds ? parse_seconds(text)
                                                    : parse_u64(text);
  static constexpr std::string_view kExamples[] = {"a number", "a size such as 64MiB", "a time such as 30s, 10m or 2h"};
  if (!value) return Error(Errc::invalid, fmt::format("'{}' is not {}", text, kExamples[static_cast<int>(number.unit)]));
  if (*value < number.least || *value > number.most) {
    return Error(Errc::invalid, fmt::format("{} is not between {} and {}", *value, number.least, number.most));
  }
  config.*number.member = *value;
  return {};
}

Result<void> assign(Config& config, const Option& option, std::string_view text) {
  if (const auto* member = std::get_if<std::string Config::*>(&option.target)) config.*(*member) = text;
  else if (const auto* list = std::get_if<std::vector<std::string> Config::*>(&option.target)) config.*(*list) = split_list(text);
  else return assign_number(config, std::get<Number>(option.target), text);
  return {};
}

const Option* find_option(std::string_view key) {
  for (const Option& option : kOptions) {
    if (option.key == key) return &option;
  }
  return nullptr;
}

// The text that assign() takes for a TOML value, or nullopt for a type that no option has.
std::optional<std::string> toml_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  const auto* array = node.as_array();
  if (array == nullptr) return std::nullopt;
  std::string joined;
  for (const toml::node& item : *array) {
    if (!item.is_string()) return std::nullopt;
    joined += (joined.empty() ? "" : ",") + item.as_string()->get();
  }
  return joined;
}

Result<void> load_table(const toml::table& table, const std::string& prefix, const std::string& file, Loaded& loaded) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    const auto& at = node.source().begin;
    const std::string where = fmt::format("{}:{}:{}", file, at.line, at.column);
    if (const auto* inner = node.as_table()) {
      TRY_OK(load_table(*inner, key + ".", file, loaded));
      continue;
    }
    const Option* option = find_option(key);
    if (option == nullptr) return Error(Errc::invalid, fmt::format("{}: unknown setting '{}'", where, key));
    const auto text = toml_text(node);
    if (!text) return Error(Errc::invalid, fmt::format("{}: '{}' must be a string, a number or a list of strings", where, key));
    if (auto done = assign(loaded.config, *option, *text); !done) {
      return Error(Errc::invalid, fmt::format("{}: {}: {}", where, key, done.error().message));
    }
    loaded.origins[key] = where;
  }
  return {};
}

Result<void> load_file(const std::string& file, Loaded& loaded) {
  toml::table table;
  try {
    table = toml::parse_file(file);
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    return Error(Errc::invalid, fmt::format("{}:{}:{}: {}", file, at.line, at.column, error.description()));
  }
  return load_table(table, "", file, loaded);
}

Result<void> check(const Config& config) {
  if (config.tls_certificate.empty() != config.tls_key.empty()) {
    return Error(Errc::invalid, "tls.certificate and tls.key must be given together");
  }
  static constexpr std::string_view kLevels[] = {"debug", "info", "warn", "error"};
  if (std::find(std::begin(kLevels), std::end(kLevels), config.log_level) == std::end(kLevels)) {
    return Error(Errc::invalid, "log.level must be debug, info, warn or error");
  }
  if (config.log_format != "auto" && config.log_format != "text" && config.log_format != "json") {
    return Error(Errc::invalid, "log.format must be auto, text or json");
  }
  static constexpr std::string_view kRoles[] = {"gateway", "metadata", "chunkserver"};
  for (const std::string& role : config.cluster_roles) {
    if (std::find(std::begin(kRoles), std::end(kRoles), role) == std::end(kRoles)) {
      return Error(Errc::invalid, fmt::format("cluster.roles: '{}' is not gateway, metadata or chunkserver", role));
    }
  }
  if (!config.cluster_join.empty() && config.cluster_listen.empty()) {
    return Error(Errc::invalid, "a node that joins a cluster needs cluster.listen, at which the others reach it");
  }
  if (!config.cluster_listen.empty()) {
    TRY_OK(listen_address(config.cluster_listen));
    TRY_OK(check_reachable(config.cluster_advertise.empty() ? config.cluster_listen : config.cluster_advertise));
  }
  if (config.cluster_roles.empty()) return Error(Errc::invalid, "cluster.roles must name at least one role");
  return {};
}

std::string value_text(const Config& config, const Option& option) {
  if (const auto* member = std::get_if<std::string Config::*>(&option.target)) return fmt::format("\"{}\"", config.*(*member));
  if (const auto* number = std::get_if<Number>(&option.target)) return std::to_string(config.*(number->member));
  std::string out = "[";
  for (const std::string& item : config.*std::get<std::vector<std::string> Config::*>(option.target)) {
    out += fmt::format("{}\"{}\"", out.size() > 1 ? ", " : "", item);
  }
  return out + "]";
}

}  // namespace

std::span<const Option> options() { return kOptions; }

Result<Loaded> load(const std::string& file, const std::map<std::string, std::string>& flags,
                    const std::function<const char*(const char*)>& getenv) {
  Loaded loaded;
  for (const Option& option : kOptions) loaded.origins[std::string(option.key)] = "default";
  if (!file.empty()) TRY_OK(load_file(file, loaded));
  for (const Option& option : kOptions) {
    const char* value = getenv(std::string(option.env).c_str());
    if (value == nullptr) continue;
    if (auto done = assign(loaded.config, option, value); !done) {
      return Error(Errc::invalid, fmt::format("{}: {}", option.env, done.error().message));
    }
    loaded.origins[std::string(option.key)] = option.env;
  }
  for (const auto& [key, text] : flags) {
    const Option* option = find_option(key);
    if (auto done = assign(loaded.config, *option, text); !done) {
      return Error(Errc::invalid, fmt::format("{}: {}", option->flag.empty() ? key : option->flag, done.error().message));
    }
    loaded.origins[key] = option->flag.empty() ? "argument" : option->flag;
  }
  std::vector<std::string> expanded;
  for (const std::string& pattern : loaded.config.drives) {
    TRY(auto names, expand_braces(pattern));
    expanded.insert(expanded.end(), names.begin(), names.end());
  }
  loaded.config.drives = std::move(expanded);
  TRY_OK(check(loaded.config));
  return loaded;
}

namespace {

// Top-level keys first, then a table for each prefix; `line` prints one option under its name in the table.
std::string by_table(const std::function<std::string(const Option&, std::string_view name)>& line) {
  std::string top;
  std::map<std::string, std::string> tables;
  for (const Option& option : kOptions) {
    const auto dot = option.key.find('.');
    if (dot == std::string_view::npos) top += line(option, option.key);
    else tables[std::string(option.key.substr(0, dot))] += line(option, option.key.substr(dot + 1));
  }
  for (const auto& [name, lines] : tables) top += fmt::format("\n[{}]\n{}", name, lines);
  return top;
}

}  // namespace

std::string show(const Loaded& loaded) {
  return by_table([&](const Option& option, std::string_view name) {
    return fmt::format("{} = {}  # {}\n", name, value_text(loaded.config, option), loaded.origins.find(option.key)->second);
  });
}

std::string sample() {
  const Config defaults;
  return "# Every setting of `gabion serve --config FILE` with its default. Environment variables and flags "
         "win over this file.\n\n" +
         by_table([&](const Option& option, std::string_view name) {
           const std::string flag = option.flag.empty() ? "" : fmt::format(", {}", option.flag);
           return fmt::format("# {} ({}{})\n#{} = {}\n", option.help, option.env, flag, name, value_text(defaults, option));
         });
}

}  // namespace gabion::serve
