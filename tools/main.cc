// The gabion command line: one binary for the server, the load generator and the tools.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdlib>
#include <functional>
#include <map>

#include "tools/admin/admin.h"
#include "tools/bench/bench.h"
#include "tools/serve/config.h"
#include "tools/serve/node.h"

namespace {

constexpr int kExitUsage = 64;   // EX_USAGE
constexpr int kExitAdminUsage = 2;  // `gabion admin` has exit codes of its own
constexpr int kExitConfig = 78;  // EX_CONFIG

// The flags of a command that takes the server's configuration.
struct ConfigFlags {
  std::string file;
  std::map<std::string, std::string> texts;  // by key
  std::vector<std::string> drives;

  void add_to(CLI::App& command) {
    command.add_option("--config", file, "TOML file with settings")->envname("GABION_CONFIG");
    for (const gabion::serve::Option& option : gabion::serve::options()) {
      if (option.flag.empty()) continue;
      const std::string key(option.key);
      command.add_option_function<std::string>(
          std::string(option.flag), [this, key](const std::string& text) { texts[key] = text; }, std::string(option.help));
    }
    command.add_option("DRIVE", drives, "directories that hold the data, one a drive; /disk{1...6} expands");
  }

  gabion::Result<gabion::serve::Loaded> load() {
    if (!drives.empty()) {
      std::string joined;
      for (const std::string& drive : drives) joined += (joined.empty() ? "" : ",") + drive;
      texts["drives"] = joined;
    }
    return gabion::serve::load(file, texts, [](const char* name) { return std::getenv(name); });
  }
};

int serve(ConfigFlags& flags) {
  const auto loaded = flags.load();
  if (!loaded) {
    fmt::print(stderr, "gabion: {}\n", loaded.error().message);
    return kExitConfig;
  }
  if (loaded->config.drives.empty()) {
    fmt::print(stderr, "gabion: no drives: name at least one directory, as in `gabion serve /srv/gabion/drive{{1...6}}`\n");
    return kExitUsage;
  }
  // SIGHUP reads the file and the environment again for the settings that may change while running.
  return gabion::serve::run_node(loaded->config, [&flags] { return flags.load(); });
}

int show_config(ConfigFlags& flags) {
  const auto loaded = flags.load();
  if (!loaded) {
    fmt::print(stderr, "gabion: {}\n", loaded.error().message);
    return kExitConfig;
  }
  fmt::print("{}", gabion::serve::show(*loaded));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Gabion, a distributed object store: S3 in front, erasure-coded encrypted drives behind", "gabion");
  app.set_version_flag("--version", GABION_VERSION);
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::help);
  std::function<int()> run;

  ConfigFlags serve_flags;
  CLI::App* serve_command = app.add_subcommand("serve", "Serve S3 from local drives");
  serve_flags.add_to(*serve_command);
  serve_command->footer(
      "Examples:\n"
      "  gabion serve /srv/gabion                  one drive\n"
      "  gabion serve /mnt/disk{1...6}             six drives, 4+2 erasure coding\n"
      "Root credentials: GABION_ROOT_ACCESS_KEY and GABION_ROOT_SECRET_KEY, or their _FILE forms; generated otherwise.\n"
      "Every flag has a GABION_ variable and a key in the --config file: see `gabion config show`.");
  serve_command->callback([&] { run = [&] { return serve(serve_flags); }; });

  ConfigFlags config_flags;
  CLI::App* config_command = app.add_subcommand("config", "Inspect the configuration");
  CLI::App* show_command = config_command->add_subcommand("show", "Print the effective settings and where each came from");
  CLI::App* sample_command = config_command->add_subcommand("sample", "Print a commented file with every setting");
  sample_command->callback([&] {
    run = [] {
      fmt::print("{}", gabion::serve::sample());
      return 0;
    };
  });
  config_command->require_subcommand(1);
  config_flags.add_to(*show_command);
  show_command->callback([&] { run = [&] { return show_config(config_flags); }; });

  gabion::admin::add_admin_command(app, run);
  gabion::bench::add_bench_command(app, run);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : app.got_subcommand("admin") ? kExitAdminUsage : kExitUsage;
  }
  return run();
}
