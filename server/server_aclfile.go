package server

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/parley-chat/parley/commands"
)

var errPasswordAndFile = errors.New("server: requirepass and aclfile exclude each other: " +
	"the default user's password is in the ACL file")

// loadUsers reads the users from the ACL file at path; "": there is none.
func loadUsers(s *commands.State, path string) error {
	switch {
	case path == "":
		return nil
	case s.Config.Password != "":
		return errPasswordAndFile
	}
	s.Host.ACLFile = &commands.ACLFile{
		Path:  path,
		Read:  func() ([]byte, error) { return readACLFile(path) },
		Write: func(text []byte) error { return replaceFile(path, text) },
	}
	if err := s.LoadUsers(); err != nil {
		return errors.New("server: " + err.Error())
	}
	return nil
}

// readACLFile reads the file. Clients receive its errors, so they have the
// system's own text, capitalized as in Redis.
func readACLFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		words := e.Err.Error()
		return nil, errors.New(strings.ToUpper(words[:1]) + words[1:])
	}
	return text, err
}

// replaceFile replaces a file's content atomically: after a crash the file has
// the old content or the new. Its mode is 0600.
func replaceFile(path string, text []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".tmp-*") // creates it with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(text); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename durable. Windows neither offers nor needs this.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
