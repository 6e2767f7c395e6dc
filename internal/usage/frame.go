package usage

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// A record in a segment is framed as
//
//	magic 4 | length of the payload 4 | CRC-32C of length and payload 4 | payload
//
// with little-endian numbers. The magic lets a reader find the next record behind a damaged one whose length cannot be
// believed.
const (
	frameHeader = 12
	// maxPayload bounds what a reader takes for a record. The limits in encode.go keep every event below it.
	maxPayload = 64 << 10
)

var (
	frameMagic = []byte{0xa1, 0x9e, 0x5c, 0xd7} // no valid UTF-8, so that no text looks like it
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// beginFrame appends an empty header, to be filled in by endFrame once the payload stands behind it.
func beginFrame(b []byte) []byte {
	var header [frameHeader]byte
	copy(header[:], frameMagic)
	return append(b, header[:]...)
}

// endFrame completes the frame that makes up all of b.
func endFrame(b []byte) {
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-frameHeader))
	binary.LittleEndian.PutUint32(b[8:], checksum(b))
}

func checksum(frame []byte) uint32 {
	return crc32.Update(crc32.Checksum(frame[4:8], castagnoli), castagnoli, frame[frameHeader:])
}

// nextFrame finds the first whole record in b. Its payload is a part of b, and its frame is b[start:end].
//
// Where there is none, payload is nil and start says how many bytes of b hold nothing: with more to come (final is
// false), what follows may be the beginning of a record; else it is the length of b. So start > 0 with a payload means
// damage before it.
func nextFrame(b []byte, final bool) (payload []byte, start, end int) {
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], frameMagic)
		if i < 0 {
			if final {
				return nil, len(b), len(b)
			}
			at = max(at, len(b)-len(frameMagic)+1)
			return nil, at, at
		}
		at += i
		payload, whole := parseFrame(b[at:])
		if payload != nil {
			return payload, at, at + frameHeader + len(payload)
		}
		if !whole && !final {
			return nil, at, at
		}
	}
}

// parseFrame reads the record at the beginning of b. Where there is none, whole says that more bytes would not help.
func parseFrame(b []byte) (payload []byte, whole bool) {
	if len(b) < frameHeader {
		return nil, false
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if n == 0 || n > maxPayload {
		return nil, true
	}
	if len(b) < frameHeader+int(n) {
		return nil, false
	}
	frame := b[:frameHeader+int(n)]
	if checksum(frame) != binary.LittleEndian.Uint32(b[8:]) {
		return nil, true
	}
	return frame[frameHeader:], true
}
