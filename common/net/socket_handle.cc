#include "common/net/socket_handle.h"

#include <unistd.h>

namespace gabion::net {

SocketHandle::~SocketHandle() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace gabion::net
