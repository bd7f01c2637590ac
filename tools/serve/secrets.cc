#include "tools/serve/secrets.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <optional>

#include "common/crc.h"
#include "common/encoding.h"
#include "common/text.h"

namespace gabion::serve {
namespace {

constexpr std::size_t kSecretFileMax = 4 * KiB;
constexpr std::size_t kSecretKeyMin = 8;

std::string without_newline(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

// The variable's value, or the content of the file that its _FILE form names.
Result<std::optional<std::string>> from_environment(const std::string& name,
                                                    const std::function<const char*(const char*)>& getenv) {
  const char* value = getenv(name.c_str());
  const char* file = getenv((name + "_FILE").c_str());
  if (value != nullptr && file != nullptr) {
    return Error(Errc::invalid, fmt::format("{} and {}_FILE are both set; unset one", name, name));
  }
  if (value != nullptr) return std::optional<std::string>(value);
  if (file == nullptr) return std::optional<std::string>();
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error(Errc::invalid, fmt::format("{}_FILE: {} cannot be read", name, file));
  std::string text((std::istreambuf_iterator<char>(in)), {});
  if (text.size() > kSecretFileMax) return Error(Errc::invalid, fmt::format("{}_FILE: {} is too large", name, file));
  return std::optional<std::string>(without_newline(std::move(text)));
}

// A secret's file is the secret on a line and the CRC32C of that line on another, so that a damaged copy is not believed.
std::string with_checksum(const std::string& text) { return fmt::format("{}\ncrc32c={:08x}\n", text, crc32c(0, as_bytes(text))); }

// The secret in a copy, or nothing when the copy is absent or damaged.
std::optional<std::string> read_copy(Disk& drive, const char* file) {
  const auto content = read_file(drive, file, kSecretFileMax);
  if (!content) return std::nullopt;
  std::string text = content->substr(0, content->find('\n'));
  if (*content != with_checksum(text)) return std::nullopt;
  return text;
}

// The first sound copy on the drives. Nothing when no drive has one.
std::optional<std::string> from_drives(const std::vector<Disk*>& drives, const char* file) {
  for (Disk* drive : drives) {
    if (auto text = read_copy(*drive, file)) return text;
  }
  return std::nullopt;
}

// Puts the file on drives that lack a sound copy, so that a replaced drive gets one too.
Result<void> to_drives(const std::vector<Disk*>& drives, const char* file, const std::string& text) {
  for (Disk* drive : drives) {
    if (read_copy(*drive, file)) continue;
    TRY_OK(replace_file(*drive, file, with_checksum(text)));
  }
  return {};
}

std::string random_text(Rng& rng, std::size_t length) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";  // 32 characters: no bias
  std::string text;
  for (std::size_t i = 0; i < length; ++i) text.push_back(kAlphabet[rng.below(kAlphabet.size())]);
  return text;
}

Result<void> load_credentials(Secrets& secrets, const std::vector<Disk*>& drives, bool create, Rng& rng,
                              const std::function<const char*(const char*)>& getenv) {
  TRY(const auto access, from_environment("GABION_ROOT_ACCESS_KEY", getenv));
  TRY(const auto secret, from_environment("GABION_ROOT_SECRET_KEY", getenv));
  if (access.has_value() != secret.has_value()) {
    return Error(Errc::invalid, "GABION_ROOT_ACCESS_KEY and GABION_ROOT_SECRET_KEY must be set together");
  }
  if (access) {
    if (access->size() < 3 || secret->size() < kSecretKeyMin || access->find_first_of("/= ") != std::string::npos) {
      return Error(Errc::invalid, fmt::format("the root access key needs at least 3 characters (none of '/', '=', space), "
                                              "the secret key at least {}", kSecretKeyMin));
    }
    secrets.access_key = *access;
    secrets.secret_key = *secret;
    return {};
  }
  secrets.credentials_on_drives = true;
  auto stored = from_drives(drives, kCredentialsFile);
  if (!stored && !create) {
    return Error(Errc::invalid, "no root credentials: set GABION_ROOT_ACCESS_KEY and GABION_ROOT_SECRET_KEY");
  }
  if (!stored) stored = random_text(rng, 20) + ":" + random_text(rng, 40);
  const auto colon = stored->find(':');
  if (colon == std::string::npos)
    return Error(Errc::corrupt, fmt::format("the file '{}' on the drives is damaged", kCredentialsFile));
  secrets.access_key = stored->substr(0, colon);
  secrets.secret_key = stored->substr(colon + 1);
  return to_drives(drives, kCredentialsFile, *stored);
}

Result<void> load_master_key(Secrets& secrets, const std::vector<Disk*>& drives, bool create, Rng& rng,
                             const std::function<const char*(const char*)>& getenv) {
  TRY(auto hex, from_environment("GABION_MASTER_KEY", getenv));
  if (!hex) {
    secrets.master_key_on_drives = true;
    hex = from_drives(drives, kMasterKeyFile);
    if (!hex && !create) {
      return Error(Errc::invalid, "the master key is not on any drive: set GABION_MASTER_KEY or GABION_MASTER_KEY_FILE");
    }
    if (!hex) hex = hex_encode(SecretKey::random(rng).view());
  }
  const auto raw = hex_decode(trim(*hex));
  if (!raw || raw->size() != kKeyBytes) return Error(Errc::invalid, "the master key must be 64 hexadecimal digits");
  TRY(secrets.master_key, SecretKey::from_raw(*raw));
  if (secrets.master_key_on_drives) TRY_OK(to_drives(drives, kMasterKeyFile, *hex));
  return {};
}

}  // namespace

Result<Secrets> load_secrets(const std::vector<Disk*>& drives, bool create, Rng& rng,
                             const std::function<const char*(const char*)>& getenv) {
  Secrets secrets;
  TRY_OK(load_credentials(secrets, drives, create, rng, getenv));
  TRY_OK(load_master_key(secrets, drives, create, rng, getenv));
  return secrets;
}

Result<void> copy_secrets(Disk& drive, const Secrets& secrets) {
  if (secrets.credentials_on_drives) TRY_OK(to_drives({&drive}, kCredentialsFile, secrets.access_key + ":" + secrets.secret_key));
  if (secrets.master_key_on_drives) TRY_OK(to_drives({&drive}, kMasterKeyFile, hex_encode(secrets.master_key.view())));
  return {};
}

Result<void> store_secrets(const std::vector<Disk*>& drives, const std::string& access_key, const std::string& secret_key,
                           const SecretKey& master_key, const std::function<const char*(const char*)>& getenv) {
  TRY(const auto access, from_environment("GABION_ROOT_ACCESS_KEY", getenv));
  if (!access) TRY_OK(to_drives(drives, kCredentialsFile, access_key + ":" + secret_key));
  TRY(const auto master, from_environment("GABION_MASTER_KEY", getenv));
  if (!master) TRY_OK(to_drives(drives, kMasterKeyFile, hex_encode(master_key.view())));
  return {};
}

}  // namespace gabion::serve
