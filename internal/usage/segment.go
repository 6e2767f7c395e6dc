package usage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A spool is a row of segment files, named by ascending number. Each begins with a header: eight bytes of name, one of
// version, seven of zero.
const (
	segmentVersion = 1
	segmentHeader  = 16
	segmentSuffix  = ".seg"
	segmentDigits  = 12
	// defaultSegmentSize is where the next segment is begun, in bytes: some 30,000 requests. It bounds how much is kept
	// that is booked already, and how much is scanned after a kill.
	defaultSegmentSize = 16 << 20
)

const segmentMagic = "aihspool"

// ErrNewer says that a segment was written by a later version of this program. It is not touched.
var ErrNewer = errors.New("the spool was written by a newer version")

// A Position is a place in a spool. The zero position is before everything.
type Position struct {
	Segment int64
	Offset  int64 // bytes from the segment's beginning
}

// Before reports whether p comes before q.
func (p Position) Before(q Position) bool {
	return p.Segment < q.Segment || p.Segment == q.Segment && p.Offset < q.Offset
}

func segmentName(n int64) string { return fmt.Sprintf("%0*d%s", segmentDigits, n, segmentSuffix) }

// listSegments gives the numbers of the folder's segments, ascending.
func listSegments(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list spool segments: %w", err)
	}
	var numbers []int64
	for _, entry := range entries {
		digits, ok := strings.CutSuffix(entry.Name(), segmentSuffix)
		if !ok || len(digits) != segmentDigits {
			continue
		}
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// createSegment makes a new segment with its header.
func createSegment(dir string, n int64) (_ *os.File, err error) {
	path := filepath.Join(dir, segmentName(n))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin spool segment: %w", err)
	}
	header := make([]byte, segmentHeader)
	copy(header, segmentMagic)
	header[len(segmentMagic)] = segmentVersion
	if _, err := f.WriteAt(header, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("begin spool segment: %w", err), f.Close(), os.Remove(path))
	}
	return f, nil
}

// openSegment opens a segment to read and tells its size. A segment that ends within its header is empty: size 0. One
// that does not begin with a header is read all the same, past where it should be: damage costs what it hits, no more.
func openSegment(dir string, n int64) (_ *os.File, size int64, err error) {
	f, err := os.Open(filepath.Join(dir, segmentName(n)))
	if err != nil {
		return nil, 0, fmt.Errorf("open spool segment: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("open spool segment: %w", err)
	}
	var header [segmentHeader]byte
	if _, err := f.ReadAt(header[:], 0); errors.Is(err, io.EOF) {
		return f, 0, nil
	} else if err != nil {
		return nil, 0, fmt.Errorf("read spool segment: %w", err)
	}
	if string(header[:len(segmentMagic)]) == segmentMagic && header[len(segmentMagic)] > segmentVersion {
		return nil, 0, fmt.Errorf("%s: %w", f.Name(), ErrNewer)
	}
	return f, info.Size(), nil
}

// removeSegments removes the segments before the given one, and tells how many bytes they had.
func removeSegments(dir string, before int64) (freed int64, err error) {
	numbers, err := listSegments(dir)
	if err != nil {
		return 0, err
	}
	for _, n := range numbers {
		if n >= before {
			break
		}
		path := filepath.Join(dir, segmentName(n))
		info, err := os.Stat(path)
		if err == nil {
			err = os.Remove(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return freed, fmt.Errorf("remove booked spool segment: %w", err)
		}
		freed += info.Size()
	}
	return freed, nil
}

// sizeOf is what the segments of a folder take together, in bytes.
func sizeOf(dir string) (total int64, err error) {
	numbers, err := listSegments(dir)
	if err != nil {
		return 0, err
	}
	for _, n := range numbers {
		info, err := os.Stat(filepath.Join(dir, segmentName(n)))
		if err != nil {
			return 0, fmt.Errorf("size of spool: %w", err)
		}
		total += info.Size()
	}
	return total, nil
}
