#include "chunkserver/identity.h"

#include <fmt/format.h>

#include <map>

#include "chunkserver/format.h"
#include "common/crc.h"
#include "common/text.h"

namespace gabion::chunkserver {
namespace {

constexpr std::size_t kIdentityBytesMax = 4096;
constexpr std::string_view kFormatName = "gabion-drive";
constexpr std::string_view kCrcName = "crc32c=";

std::string crc_line(std::string_view body) { return fmt::format("{}{:08x}\n", kCrcName, crc32c(0, as_bytes(body))); }

Error damaged(std::string_view why) {
  return {Errc::corrupt, fmt::format("the identity file {} is damaged: {}", kIdentityFile, why)};
}

// Everything before the CRC line, once that line has been verified.
Result<std::string_view> verified_body(std::string_view text) {
  const auto at = text.rfind(kCrcName);
  if (at == std::string_view::npos || (at != 0 && text[at - 1] != '\n')) return damaged("it has no checksum");
  const std::string_view body = text.substr(0, at);
  if (text.substr(at) != crc_line(body)) return damaged("its checksum does not match");
  return body;
}

Result<Identity> from_fields(const std::map<std::string_view, std::string_view>& fields) {
  const auto field = [&](std::string_view name) {
    const auto it = fields.find(name);
    return it == fields.end() ? std::string_view() : it->second;
  };
  const auto cluster = ClusterId::from_hex(field("cluster"));
  const auto drive = DriveId::from_hex(field("drive"));
  const auto position = parse_u64(field("position"));
  const auto created = parse_u64(field("created"));
  const std::string_view metadata = field("metadata");
  if (!cluster || !drive) return damaged("it names no cluster or no drive");
  if (!position || *position > UINT32_MAX || !created || (metadata != "yes" && metadata != "no")) {
    return damaged("a field is missing or malformed");
  }
  return Identity{.cluster = *cluster,
                  .drive = *drive,
                  .position = static_cast<std::uint32_t>(*position),
                  .created = *created,
                  .metadata = metadata == "yes"};
}

}  // namespace

std::string encode_identity(const Identity& identity) {
  std::string body = fmt::format("{}={}\ncluster={}\ndrive={}\nposition={}\ncreated={}\nmetadata={}\n", kFormatName,
                                 kFormatVersion, identity.cluster.to_hex(), identity.drive.to_hex(), identity.position,
                                 identity.created, identity.metadata ? "yes" : "no");
  body += crc_line(body);
  return body;
}

Result<Identity> parse_identity(std::string_view text) {
  TRY(const std::string_view body, verified_body(text));
  std::map<std::string_view, std::string_view> fields;
  for (const std::string_view line : split(body, '\n')) {
    const auto equals = line.find('=');
    if (equals != std::string_view::npos) fields[line.substr(0, equals)] = line.substr(equals + 1);
  }
  const auto format = fields.find(kFormatName);
  const auto version = format == fields.end() ? std::nullopt : parse_u64(format->second);
  if (!version || *version == 0) return damaged("it names no format");
  if (*version > kFormatVersion) {
    return Error(Errc::invalid, fmt::format("the drive has format {}, this program knows formats up to {}: use a newer gabion",
                                            *version, kFormatVersion));
  }
  return from_fields(fields);
}

Result<void> format_drive(Disk& disk, const Identity& identity) {
  TRY(const auto names, disk.list(""));
  for (const std::string& name : names) {
    if (name == kIdentityFile) return Error(Errc::already_exists, "the drive has an identity already");
  }
  TRY_OK(disk.make_dir(kSegmentsDir));
  TRY(const auto segments, disk.list(kSegmentsDir));
  if (!segments.empty()) {
    return Error(Errc::conflict, fmt::format("the drive has {} segment files but no identity file: it is not formatted over",
                                             segments.size()));
  }
  TRY_OK(disk.sync_dir(""));
  return replace_file(disk, kIdentityFile, encode_identity(identity));
}

Result<Identity> read_identity(Disk& disk) {
  auto text = read_file(disk, kIdentityFile, kIdentityBytesMax);
  if (!text && text.error().code == Errc::not_found) {
    return Error(Errc::not_found,
                 fmt::format("no identity file {}: not a drive of gabion, or one that was wiped", kIdentityFile));
  }
  if (!text && text.error().code == Errc::too_large) return damaged("it is too large");
  if (!text) return std::move(text).error();
  return parse_identity(*text);
}

Result<void> check_cluster(const Identity& identity, const ClusterId& cluster) {
  if (identity.cluster == cluster) return {};
  return Error(Errc::conflict, fmt::format("drive {} belongs to cluster {}, not to {}", identity.drive.to_hex(),
                                           identity.cluster.to_hex(), cluster.to_hex()));
}

}  // namespace gabion::chunkserver
