// The configuration of a node: one typed, immutable struct, filled from a TOML file, GABION_* variables and flags, later
// ones winning: default < file < environment < flag. One table (options()) is the schema for all of them, for
// `gabion config show` and for the documentation. Unknown keys and wrong types are errors that name file, line, column.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.h"

namespace gabion::serve {

struct Config {
  std::vector<std::string> drives;
  std::vector<std::string> replace;
  std::string listen = "0.0.0.0:9000";
  std::string admin_listen = "127.0.0.1:9001";
  std::uint64_t threads = 0;  // 0: one for each core
  std::string region = "us-east-1";
  std::vector<std::string> domains;
  std::string tls_certificate;
  std::string tls_key;
  std::string standard_class;            // "4+2"; empty: by the number of drives
  std::uint64_t memory_bytes = 0;        // 0: a quarter of the machine's memory
  std::uint64_t metadata_cache_bytes = 64ull << 20;
  std::uint64_t connections = 10000;
  std::uint64_t header_timeout_seconds = 10;
  std::uint64_t idle_timeout_seconds = 75;
  std::uint64_t body_bytes_per_second = 1024;
  std::uint64_t shutdown_seconds = 30;
  std::uint64_t memory_wait_seconds = 10;
  std::uint64_t gc_grace_seconds = 3600;
  std::uint64_t orphans_interval_seconds = 7 * 86400;
  std::uint64_t orphans_memory_bytes = 64ull << 20;
  std::uint64_t repair_bytes_per_second = 0;
  std::uint64_t compaction_bytes_per_second = 64ull << 20;
  std::string cluster_listen;                // empty: no cluster port until `gabion admin cluster init`
  std::string cluster_advertise;             // what other nodes connect to; empty: cluster_listen
  std::vector<std::string> cluster_join;     // nodes of the cluster to join, any of which will do
  std::string cluster_token;
  std::vector<std::string> cluster_domain;   // failure domain above the node, widest first
  std::vector<std::string> cluster_roles = {"gateway", "metadata", "chunkserver"};
  std::uint64_t cluster_out_after_seconds = 600;
  std::string log_level = "info";
  std::string log_format = "auto";
};

enum class Unit { number, bytes, seconds };

struct Number {
  std::uint64_t Config::* member;
  Unit unit;
  std::uint64_t least;
  std::uint64_t most;
};
using Target = std::variant<std::string Config::*, std::vector<std::string> Config::*, Number>;

struct Option {
  std::string_view key;   // in TOML, dotted: "tls.certificate"
  std::string_view flag;  // "--tls-certificate"
  std::string_view env;   // "GABION_TLS_CERTIFICATE"
  std::string_view help;
  Target target;
};

std::span<const Option> options();

// Where a value came from: "default", "file:3:1", "GABION_LISTEN", "--listen".
using Origins = std::map<std::string, std::string, std::less<>>;

struct Loaded {
  Config config;
  Origins origins;  // by key
};

// `flags` maps keys to texts as given on the command line (lists joined by commas); `file` is a path or empty; `getenv`
// looks a variable up (nullptr when unset).
Result<Loaded> load(const std::string& file, const std::map<std::string, std::string>& flags,
                    const std::function<const char*(const char*)>& getenv);

// The effective configuration as TOML, with where each value came from as a comment.
std::string show(const Loaded& loaded);

// A commented file with every setting and its default: conf/gabion.toml is this text.
std::string sample();

}  // namespace gabion::serve
