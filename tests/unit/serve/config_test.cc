#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <fstream>
#include <iterator>

#include "tests/support/temp_dir.h"
#include "tools/serve/config.h"

namespace gabion::serve {
namespace {

using Catch::Matchers::ContainsSubstring;
using Environment = std::map<std::string, std::string>;

std::function<const char*(const char*)> environment(const Environment& values) {
  return [&values](const char* name) -> const char* {
    const auto it = values.find(name);
    return it == values.end() ? nullptr : it->second.c_str();
  };
}

class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text) { std::ofstream(path()) << text; }
  std::string path() const { return dir_.path() + "/node.toml"; }

 private:
  const test::TempDir dir_;
};

TEST_CASE("a flag wins over the environment, that over the file, that over the default") {
  const ConfigFile file("listen = \"1.1.1.1:1\"\nregion = \"file\"\nthreads = 3\n[log]\nlevel = \"warn\"\n");
  const Environment env{{"GABION_REGION", "environment"}, {"GABION_LISTEN", "2.2.2.2:2"}};
  const auto loaded = load(file.path(), {{"listen", "3.3.3.3:3"}}, environment(env));
  REQUIRE(loaded.has_value());
  CHECK(loaded->config.listen == "3.3.3.3:3");
  CHECK(loaded->config.region == "environment");
  CHECK(loaded->config.threads == 3);
  CHECK(loaded->config.log_level == "warn");
  CHECK(loaded->config.admin_listen == "127.0.0.1:9001");
  CHECK(loaded->origins.at("listen") == "--listen");
  CHECK(loaded->origins.at("region") == "GABION_REGION");
  CHECK_THAT(loaded->origins.at("threads"), ContainsSubstring(":3:"));
  CHECK(loaded->origins.at("admin.listen") == "default");
}

TEST_CASE("sizes, times and lists are read with their units, and drives expand") {
  const Environment env{{"GABION_MEMORY", "2GiB"}, {"GABION_GC_GRACE", "2h"}, {"GABION_DOMAINS", "a.example, b.example"},
                        {"GABION_DRIVES", "/d{1...3}"}};
  const auto loaded = load("", {}, environment(env));
  REQUIRE(loaded.has_value());
  CHECK(loaded->config.memory_bytes == 2ull << 30);
  CHECK(loaded->config.gc_grace_seconds == 7200);
  CHECK(loaded->config.domains == std::vector<std::string>{"a.example", "b.example"});
  CHECK(loaded->config.drives == std::vector<std::string>{"/d1", "/d2", "/d3"});
}

TEST_CASE("what is wrong is refused with where it is and what to write instead") {
  const Environment none;
  const auto problem = [&](const std::string& text) {
    const ConfigFile file(text);
    const auto loaded = load(file.path(), {}, environment(none));
    return loaded ? std::string("accepted") : loaded.error().message;
  };
  CHECK_THAT(problem("lisen = \"x\"\n"), ContainsSubstring(":1:") && ContainsSubstring("unknown setting 'lisen'"));
  CHECK_THAT(problem("\n[tls]\nkey = 1.5\n"), ContainsSubstring(":3:") && ContainsSubstring("must be a string"));
  CHECK_THAT(problem("threads = \"many\"\n"), ContainsSubstring("'many' is not a number"));
  CHECK_THAT(problem("threads = 99999\n"), ContainsSubstring("not between 0 and 1024"));
  CHECK_THAT(problem("[memory]\nbudget = \"lots\"\n"), ContainsSubstring("64MiB"));
  CHECK_THAT(problem("[limits]\nidle_timeout = \"soon\"\n"), ContainsSubstring("30s"));
  CHECK_THAT(problem("[tls]\ncertificate = \"a.pem\"\n"), ContainsSubstring("together"));
  CHECK_THAT(problem("[log]\nlevel = \"loud\"\n"), ContainsSubstring("debug, info, warn or error"));
  CHECK_THAT(problem("listen = \n"), ContainsSubstring(":1:"));
  CHECK_THAT(problem("drives = [\"/d{1..3}\"]\n"), ContainsSubstring("/disk{1...4}"));
  CHECK_THAT(load("/nonexistent/node.toml", {}, environment(none)).error().message, ContainsSubstring("node.toml"));
}

TEST_CASE("conf/gabion.toml is the sample of this build, and every line of it is valid") {
  std::ifstream in(GABION_SOURCE_DIR "/conf/gabion.toml");
  const std::string stored((std::istreambuf_iterator<char>(in)), {});
  CHECK(stored == sample());
  std::string uncommented;
  for (std::size_t at = 0; at < stored.size();) {
    const std::size_t end = stored.find('\n', at);
    const std::string line = stored.substr(at, end - at);
    uncommented += (line.starts_with("#") && !line.starts_with("# ") ? line.substr(1) : line) + "\n";
    at = end + 1;
  }
  const ConfigFile file(uncommented);
  const Environment none;
  CHECK(load(file.path(), {}, environment(none)).has_value());
}

}  // namespace
}  // namespace gabion::serve
