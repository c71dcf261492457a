// SPDX-License-Identifier: MIT
#include "pinion/sync/select_cases.hpp"

#include <bit>

namespace pinion::detail {
namespace {

constexpr unsigned bits_each = 4;
constexpr std::size_t few = 64 / bits_each;  // so many fit in a word
constexpr std::uint64_t each_once = 0xfedcba9876543210;

/// Of the cipher. With five, two million draws from a few tens are visibly uneven.
constexpr unsigned rounds = 8;

// The finaliser of splitmix64 (Steele, Lea, Flood 2014).
std::uint64_t mix(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

random_order::random_order(std::size_t count) noexcept
    : count_(count), lots_(os::random()), word_(count <= few ? each_once : lots_) {
  if (count > few) half_bits_ = (static_cast<unsigned>(std::bit_width(count - 1)) + 1) / 2;
}

std::size_t random_order::next() noexcept {
  if (count_ <= few) return next_in_word();
  std::size_t number;
  do number = encipher(given_++);
  while (number >= count_);
  return number;
}

// One step of a shuffle: draws a place, and moves the last that is left into it. One number has
// lots for all the steps: there are fewer than 2^45 orders, so the unevenness is below one in 2^19.
std::size_t random_order::next_in_word() noexcept {
  const std::size_t left = count_ - given_++;
  const std::uint64_t place = lots_ % left;
  lots_ /= left;
  const auto at = [&](std::size_t i) { return word_ >> (bits_each * i) & (few - 1); };
  const std::uint64_t number = at(place);
  word_ ^= (number ^ at(left - 1)) << (bits_each * place);
  return number;
}

// A Feistel network: whatever the function of a round, the whole is one to one.
std::size_t random_order::encipher(std::size_t number) const noexcept {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t left = number >> half_bits_;
  std::uint64_t right = number & mask;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::uint64_t mixed = mix(word_ ^ mix(right << 8 | round));
    const std::uint64_t before = left;
    left = right;
    right = before ^ (mixed & mask);
  }
  return static_cast<std::size_t>(left << half_bits_ | right);
}

bool end_together(const context* a, const context* b) noexcept {
  return a != nullptr && b != nullptr && a->node().state == b->node().state;
}

bool joined_contexts::add(const context* bound) noexcept {
  if (bound == nullptr || !bound->can_end()) return false;
  const context_node* const end = bound->node().state;
  for (std::size_t i = 0; i < count_; ++i) {
    if (ends_[i] == end) return false;
  }
  if (count_ < capacity) ends_[count_++] = end;
  return true;
}

}  // namespace pinion::detail
