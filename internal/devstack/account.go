package devstack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// account is who Postgres runs as: ourselves, or for root an unprivileged one,
// since Postgres refuses to run as root.
type account struct {
	name string
	cred *syscall.Credential // nil: ourselves
}

// serverAccount returns the owner of an existing cluster in dataDir, so that a
// folder once made by another account still starts; else the account postgres,
// else nobody.
func serverAccount(dataDir string) (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	if info, err := os.Stat(dataDir); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
			return account{
				name: strconv.Itoa(int(stat.Uid)),
				cred: &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid},
			}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("user id of %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("group id of %s: %w", name, err)
		}
		return account{name: name, cred: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, errors.New("root cannot run Postgres, and there is no user postgres or nobody to run it as")
}

// own hands one file or folder to the account.
func (a account) own(path string) error {
	if a.cred == nil {
		return nil
	}
	return os.Lchown(path, int(a.cred.Uid), int(a.cred.Gid))
}

// attr returns process attributes that start a program as the account.
func (a account) attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: a.cred}
}

// blocked returns the first folder on the way to dir, dir included, that the
// account may not enter; "" when it may enter all. It reads modes only and so
// does not see access lists.
func (a account) blocked(dir string) (string, error) {
	if a.cred == nil {
		return "", nil
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	var way []string
	for at := real; ; at = filepath.Dir(at) {
		way = append(way, at)
		if at == filepath.Dir(at) {
			break
		}
	}
	for _, at := range slices.Backward(way) {
		info, err := os.Stat(at)
		if err != nil {
			return "", err
		}
		if !a.mayEnter(info) {
			return at, nil
		}
	}
	return "", nil
}

func (a account) mayEnter(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case ok && stat.Uid == a.cred.Uid:
		return info.Mode()&0o100 != 0
	case ok && stat.Gid == a.cred.Gid:
		return info.Mode()&0o010 != 0
	default:
		return info.Mode()&0o001 != 0
	}
}
