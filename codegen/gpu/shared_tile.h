#pragma once

#include <cstdint>

namespace tessera {

// How the tile of an operand lies in shared memory: lines of elements. A line is a step of k and
// runs along m or n, or is a row of m or n and runs along k.
//
// Eight threads reach 128 bytes at once if these lie in 32 different banks of 4 bytes. Where units
// for matrices read squares, 16 bytes of each of eight lines, chunks of 16 bytes change places
// within a line, by a number that the line's place decides:
//
//   lines of 64 bytes       line 0   0 1 2 3  |  line 1   0 1 2 3      chunks, 128 bytes a row
//                           line 2   1 0 3 2  |  line 3   1 0 3 2
//                           line 4   2 3 0 1  |  line 5   2 3 0 1
//                           line 6   3 2 1 0  |  line 7   3 2 1 0
//
// so that chunk 0 of lines 0 to 7 lies in eight different places. Otherwise each line is followed
// by `pad` unused elements.
struct SharedTile {
  bool along_k = false;  // does a line run along k?
  int lines = 0, width = 0;
  int element_bytes = 4;
  int pad = 0;
  bool turned = false;  // do chunks change places? Then `width` elements are a power of two, from
                        // 16 bytes on

  static constexpr int kChunkBytes = 16;

  int line_bytes() const { return (width + pad) * element_bytes; }
  int bytes() const { return lines * line_bytes(); }
  int chunk_elements() const { return kChunkBytes / element_bytes; }
  int chunks() const { return width / chunk_elements(); }  // of a line

  // Where chunk c of a line lies: at c ^ turn(line). It follows from the line's place among eight.
  int turn(int line) const {
    if (!turned) return 0;
    return chunks() >= 8 ? line % 8 : line % 8 / (8 / chunks());
  }
  // Of an element, in bytes.
  int place(int line, int at) const {
    const int within = at % chunk_elements();
    const int chunk = at / chunk_elements() ^ turn(line);
    return line * line_bytes() + (chunk * chunk_elements() + within) * element_bytes;
  }
};

}  // namespace tessera
