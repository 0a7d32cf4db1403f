#include "codegen/gpu/warp_functions.h"

#include <bit>
#include <cstring>

#include "base/convert.h"
#include "base/error.h"
#include "codegen/gpu/gpu_schedule.h"

namespace tessera {
namespace {

constexpr size_t kSide = 8;  // of a square
constexpr size_t kLines = 16, kColumns = 8, kWordsOfK = 8;

void check_warp(size_t threads) {
  TESSERA_CHECK(threads == kGpuWarp) << "a warp of " << threads << " threads multiplies matrices";
}

// The numbers that a word of k holds.
std::vector<double> numbers_in(uint32_t word, DType type) {
  std::vector<double> numbers;
  const auto bits = static_cast<unsigned>(8 * size_of(type));
  for (unsigned at = 0; at < 32; at += bits) {
    const auto piece = static_cast<uint16_t>(word >> at & ((1u << bits) - 1));
    switch (type) {
      case DType::bf16:
        numbers.push_back(static_cast<double>(bf16_to_f32(piece)));
        break;
      case DType::f16:
        numbers.push_back(static_cast<double>(f16_to_f32(piece)));
        break;
      case DType::i8:
        numbers.push_back(static_cast<double>(static_cast<int8_t>(piece)));
        break;
      case DType::u8:
        numbers.push_back(static_cast<double>(piece));
        break;
      default:
        TESSERA_CHECK(false) << name_of(type);
    }
  }
  return numbers;
}

// A line of a, or a column of b: all of its k.
std::vector<double> along_k(const std::array<uint32_t, kWordsOfK>& words, DType type) {
  std::vector<double> numbers;
  for (const uint32_t word : words)
    for (const double number : numbers_in(word, type)) numbers.push_back(number);
  return numbers;
}

}  // namespace

void exchange_words(const std::vector<ExchangedWord*>& warp) {
  std::vector<int32_t> words;
  for (const ExchangedWord* each : warp) words.push_back(each->word);
  for (size_t i = 0; i < warp.size(); ++i) {
    const size_t other = i ^ static_cast<size_t>(warp[i]->mask);
    TESSERA_CHECK(other < words.size()) << "a thread asks for one that there is not";
    warp[i]->word = words[other];
  }
}

void load_squares(const std::vector<LoadedSquares*>& warp) {
  check_warp(warp.size());
  const auto element = [&](size_t square, size_t line, size_t column) {
    uint16_t bits = 0;
    std::memcpy(&bits, warp[kSide * square + line]->address + 2 * column, 2);
    return uint32_t{bits};
  };
  for (size_t lane = 0; lane < warp.size(); ++lane) {
    const size_t line = lane / 4, at = 2 * (lane % 4);
    const bool turned = warp[lane]->turned;
    for (size_t s = 0; s < 4; ++s)
      warp[lane]->words[s] = turned ? element(s, at, line) | element(s, at + 1, line) << 16
                                    : element(s, line, at) | element(s, line, at + 1) << 16;
  }
}

void multiply_matrices(const std::vector<MultipliedMatrices*>& warp) {
  check_warp(warp.size());
  std::array<std::array<uint32_t, kWordsOfK>, kLines> a{};
  std::array<std::array<uint32_t, kWordsOfK>, kColumns> b{};
  for (size_t lane = 0; lane < warp.size(); ++lane) {
    const uint32_t* words = warp[lane]->words;
    const size_t g = lane / 4, t = lane % 4;
    a[g][t] = words[0];
    a[g + 8][t] = words[1];
    a[g][t + 4] = words[2];
    a[g + 8][t + 4] = words[3];
    b[g][t] = words[4];
    b[g][t + 4] = words[5];
  }
  std::vector<std::vector<double>> lines, columns;
  for (const auto& line : a) lines.push_back(along_k(line, warp[0]->a));
  for (const auto& column : b) columns.push_back(along_k(column, warp[0]->b));
  for (size_t lane = 0; lane < warp.size(); ++lane)
    for (size_t i = 0; i < 4; ++i) {
      const std::vector<double>& line = lines[lane / 4 + i / 2 * 8];
      const std::vector<double>& column = columns[2 * (lane % 4) + i % 2];
      double sum = 0;
      for (size_t k = 0; k < line.size(); ++k) sum += line[k] * column[k];
      uint32_t& c = warp[lane]->words[6 + i];
      if (is_float(warp[lane]->a))
        c = std::bit_cast<uint32_t>(
            static_cast<float>(static_cast<double>(std::bit_cast<float>(c)) + sum));
      else
        c += static_cast<uint32_t>(static_cast<int32_t>(sum));
    }
}

}  // namespace tessera
