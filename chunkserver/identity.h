// The identity file of a drive: which cluster it belongs to and who it is, for life. Text, one "name=value" a line, the
// last line a CRC32C of all before it, so that a person can read it and a flipped bit shows. Functions block.
#pragma once

#include <string>

#include "common/clock.h"
#include "common/disk.h"
#include "common/ids.h"

namespace gabion::chunkserver {

inline constexpr char kIdentityFile[] = "gabion.drive";

struct Identity {
  ClusterId cluster;
  DriveId drive;
  std::uint32_t position = 0;  // among the drives of its node, from 0
  WallMicros created = 0;
  bool metadata = false;       // the drive also holds a replica of the metadata

  friend bool operator==(const Identity&, const Identity&) = default;
};

// Makes an empty drive: the segments directory, then the identity file, both durable. already_exists when the drive has
// an identity; conflict when it has segments without one, which are somebody's data.
Result<void> format_drive(Disk& disk, const Identity& identity);

// not_found: the drive was never formatted (or wiped). invalid: a newer format. corrupt: damaged.
Result<Identity> read_identity(Disk& disk);

// conflict when the drive belongs to another cluster.
Result<void> check_cluster(const Identity& identity, const ClusterId& cluster);

// The text forms, for tests of the format.
std::string encode_identity(const Identity& identity);
Result<Identity> parse_identity(std::string_view text);

}  // namespace gabion::chunkserver
