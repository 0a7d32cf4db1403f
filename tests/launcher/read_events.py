"""Prints the events of a TensorBoard file, one line each: a reader of its own, by the documents of
TFRecord and of protocol buffers, that compares every checksum."""

import json
import struct
import sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = data[at:at + 8], at + 8
        elif kind == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size
        elif kind == 5:
            value, at = data[at:at + 4], at + 4
        else:
            raise ValueError(f"kind {kind}")
        yield key >> 3, value


def event(data):
    found = {}
    for number, value in fields(data):
        if number == 1:
            found["time"] = struct.unpack("<d", value)[0]
        elif number == 2:
            found["step"] = value
        elif number == 3:
            found["version"] = value.decode()
        elif number == 5:
            for inner, summary in fields(value):
                assert inner == 1
                parts = dict(fields(summary))
                found[parts[1].decode()] = struct.unpack("<f", parts[2])[0]
    return found


data = open(sys.argv[1], "rb").read()
at = 0
while at < len(data):
    head = data[at:at + 8]
    size, = struct.unpack("<Q", head)
    assert struct.unpack("<I", data[at + 8:at + 12])[0] == masked(head), "checksum of a length"
    body = data[at + 12:at + 12 + size]
    assert len(body) == size
    check, = struct.unpack("<I", data[at + 12 + size:at + 16 + size])
    assert check == masked(body), "checksum of an event"
    print(json.dumps(event(body)).replace("NaN", "null"))
    at += 16 + size
