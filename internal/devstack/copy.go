package devstack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// CopyCluster copies the stopped cluster of one folder into another that has
// none, and hands it to the account that Postgres will run as. Both folders are
// as StartPostgres takes them. Nothing is flushed to disk. A failed copy leaves
// none.
func CopyCluster(from, to string) (err error) {
	if err := MakeDir(to); err != nil {
		return err
	}
	dst := filepath.Join(to, "data")
	acc, err := serverAccount(dst)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dst, 0o700); err != nil {
		return fmt.Errorf("copy cluster: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("copy cluster: %w", err), os.RemoveAll(dst))
		}
	}()
	src := filepath.Join(from, "data")
	return filepath.WalkDir(src, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		at := filepath.Join(dst, rel)
		switch {
		case at == dst:
		case entry.IsDir():
			err = os.Mkdir(at, 0o700)
		case entry.Type().IsRegular():
			err = copyFile(path, at)
		default:
			err = fmt.Errorf("%s is neither file nor folder", path)
		}
		if err != nil {
			return err
		}
		return acc.own(at)
	})
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
