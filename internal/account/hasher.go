package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"aihigress/internal/fault"
)

const (
	saltSize = 16 // bytes, as RFC 9106 section 4 recommends
	hashSize = 32 // bytes

	// maxMemory is the most memory, in KiB, that a stored hash may ask for.
	maxMemory = 256 << 10
	maxTime   = 16

	// maxSlots is how many passwords are hashed at once at most: with the current cost, 4 x 19 MiB.
	maxSlots = 4
	// maxWait is how long a sign-in waits for its turn.
	maxWait = 5 * time.Second
)

// A cost says how expensive a hash is. It stands inside each stored hash, so it may change at any time.
type cost struct {
	memory  uint32 // KiB
	time    uint32 // passes over the memory
	threads uint8
}

// current is the cost of new hashes, OWASP's first recommendation for argon2id: some 20 ms of one core.
var current = cost{memory: 19 << 10, time: 2, threads: 1}

var errHash = errors.New("stored password hash is malformed")

// A hasher hashes and compares passwords (argon2id, RFC 9106). Each hash takes its memory for a while, so only a few
// are made at once; the others wait, and are refused when it takes too long.
type hasher struct {
	cost  cost
	slots chan struct{}
	wait  time.Duration
	decoy string // a hash of the current cost that no password has
}

func newHasher(c cost) *hasher {
	salt, hash := make([]byte, saltSize), make([]byte, hashSize)
	rand.Read(salt)
	rand.Read(hash)
	return &hasher{
		cost:  c,
		slots: make(chan struct{}, min(maxSlots, runtime.GOMAXPROCS(0))),
		wait:  maxWait,
		decoy: c.encode(salt, hash),
	}
}

// hash makes the text that is stored for a password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	hash, err := h.derive(ctx, password, salt, hashSize, h.cost)
	if err != nil {
		return "", err
	}
	return h.cost.encode(salt, hash), nil
}

// verify compares a password with a stored hash. stale says that the hash was made at another cost than today's.
func (h *hasher) verify(ctx context.Context, stored, password string) (ok, stale bool, err error) {
	c, salt, want, err := decode(stored)
	if err != nil {
		return false, false, err
	}
	got, err := h.derive(ctx, password, salt, uint32(len(want)), c)
	if err != nil {
		return false, false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, c != h.cost, nil
}

func (h *hasher) derive(ctx context.Context, password string, salt []byte, size uint32, c cost) ([]byte, error) {
	timer := time.NewTimer(h.wait)
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-timer.C:
		return nil, fault.New(fault.Limited, "too many people are signing in at once, try again").After(h.wait)
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to hash a password: %w", context.Cause(ctx))
	}
	return argon2.IDKey([]byte(password), salt, c.time, c.memory, c.threads, size), nil
}

// encode writes the PHC string format: $argon2id$v=19$m=19456,t=2,p=1$salt$hash.
func (c cost) encode(salt, hash []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.time, c.threads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(hash))
}

func decode(stored string) (c cost, salt, hash []byte, err error) {
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.time, &c.threads); err != nil {
		return c, nil, nil, errHash
	}
	if c.memory < 8 || c.memory > maxMemory || c.time < 1 || c.time > maxTime || c.threads < 1 {
		return c, nil, nil, errHash
	}
	salt, saltErr := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	hash, hashErr := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if saltErr != nil || hashErr != nil || len(salt) < 8 || len(hash) < 16 || len(hash) > 64 {
		return c, nil, nil, errHash
	}
	return c, salt, hash, nil
}
