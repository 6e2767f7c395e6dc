package devstack

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// maxSocketDir bounds the length of a socket's folder in bytes. The address of
// a Unix socket holds 104 bytes on macOS and 108 on Linux, with a closing zero;
// the longest name we put there is /.s.PGSQL.5432.
const maxSocketDir = 104 - 1 - len("/.s.PGSQL.5432")

// socketDir makes the folder for the socket of the server that lives in dir: in
// it where the path is short enough, else one in /tmp that belongs to it alone.
func socketDir(dir string, acc account) (string, error) {
	at := filepath.Join(dir, "run")
	if len(at) > maxSocketDir {
		sum := sha256.Sum256([]byte(dir))
		at = fmt.Sprintf("/tmp/aihigress-%s-%s", strconv.Itoa(os.Geteuid()), hex.EncodeToString(sum[:6]))
	}
	err := os.Mkdir(at, 0o700)
	if err == nil {
		err = acc.own(at)
	} else if errors.Is(err, fs.ErrExist) {
		err = acc.checkOwned(at)
	}
	if err != nil {
		return "", fmt.Errorf("folder for the socket: %w", err)
	}
	return at, nil
}

// removeSocketDir removes the folder that socketDir made where it is not in dir.
// One that stays behind is empty, private and used again.
func removeSocketDir(at, dir string) {
	if filepath.Dir(at) != dir {
		_ = os.Remove(at)
	}
}

// checkOwned refuses a folder that somebody else put where ours should be,
// which anybody can do in /tmp.
func (a account) checkOwned(dir string) error {
	uid := uint32(os.Geteuid())
	if a.cred != nil {
		uid = a.cred.Uid
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || stat.Uid != uid || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is not a private folder of user %d", dir, uid)
	}
	return nil
}
