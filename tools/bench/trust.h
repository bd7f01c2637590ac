// Which servers a client believes over https.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "common/async.h"
#include "common/result.h"

namespace gabion::bench {

struct Trust {
  std::string ca_file;    // PEM: believed besides the system's authorities; may be empty
  bool insecure = false;  // any certificate will do
};

// invalid: the file cannot be read, with a text that names it.
Result<std::shared_ptr<asio::ssl::context>> make_tls(const Trust& trust);

}  // namespace gabion::bench
