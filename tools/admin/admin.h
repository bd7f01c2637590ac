// `gabion admin`: operates a cluster through the admin API of any of its nodes.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace gabion::admin {

// Adds the subcommand. When it is chosen, `run` becomes a call of the command with its options.
void add_admin_command(CLI::App& app, std::function<int()>& run);

}  // namespace gabion::admin
