// The root credentials and the master key of a node: given by the environment, or generated once and kept with mode 0600
// on every metadata drive, so that losing drives does not lose them. Never logged.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/aead.h"
#include "common/disk.h"
#include "common/result.h"
#include "common/rng.h"

namespace gabion::serve {

struct Secrets {
  std::string access_key;
  std::string secret_key;
  SecretKey master_key;
  bool credentials_on_drives = false;  // in kCredentialsFile
  bool master_key_on_drives = false;
};

inline constexpr const char* kCredentialsFile = "credentials";
inline constexpr const char* kMasterKeyFile = "master.key";

// Reads GABION_ROOT_ACCESS_KEY, GABION_ROOT_SECRET_KEY and GABION_MASTER_KEY (64 hex digits) or the files that their
// _FILE forms name; what is not given comes from the drives. Only when `create` is set is something new made: a cluster
// that exists and whose key is nowhere to be found is an error, never given a new key.
Result<Secrets> load_secrets(const std::vector<Disk*>& drives, bool create, Rng& rng,
                             const std::function<const char*(const char*)>& getenv);

// Gives a new drive its copy of what is kept on drives.
Result<void> copy_secrets(Disk& drive, const Secrets& secrets);

// Keeps on the drives what another node of the cluster gave and the environment does not, where load_secrets() will find it.
Result<void> store_secrets(const std::vector<Disk*>& drives, const std::string& access_key, const std::string& secret_key,
                           const SecretKey& master_key, const std::function<const char*(const char*)>& getenv);

}  // namespace gabion::serve
