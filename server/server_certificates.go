package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// certificates hold what TLSFiles name, as of when it was read.
type certificates struct {
	files TLSFiles
	log   *eventLog

	mu     sync.Mutex // guards all below
	seen   []fs.FileInfo
	config *tls.Config
}

// certified returns a configuration whose certificates follow their files.
func (s *Server) tlsConfigFromFiles(f TLSFiles) (*tls.Config, error) {
	c := &certificates{files: f, log: &s.engine.log}
	if err := c.read(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current(), nil },
	}, nil
}

// current is what holds for a connection that begins now. To look whether three
// files have changed takes little beside a handshake.
func (c *certificates) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed() {
		if err := c.read(); err != nil {
			c.log.log(eventTLSCertificatesUnread, "error", err)
		}
	}
	return c.config
}

// changed reports whether a file is not the one that was read.
func (c *certificates) changed() bool {
	for i, path := range c.paths() {
		now, err := os.Stat(path)
		if err != nil {
			return true
		}
		if was := c.seen[i]; !os.SameFile(was, now) || !was.ModTime().Equal(now.ModTime()) || was.Size() != now.Size() {
			return true
		}
	}
	return false
}

func (c *certificates) paths() []string {
	paths := []string{c.files.Cert, c.files.Key}
	if c.files.CA != "" {
		paths = append(paths, c.files.CA)
	}
	return paths
}

// read reads all files, or leaves all as it was. A new configuration has new
// keys for tickets: nobody resumes a session that an old certificate has begun.
func (c *certificates) read() error {
	auth, ok := clientAuth[c.files.AuthClients]
	switch {
	case !ok:
		return fmt.Errorf("tls-auth-clients %q: want yes, no or optional", c.files.AuthClients)
	case c.files.Cert == "" || c.files.Key == "":
		return errors.New("TLS needs tls-cert-file and tls-key-file")
	case c.files.CA == "" && auth != tls.NoClientCert:
		return fmt.Errorf("tls-auth-clients %s needs tls-ca-cert-file", c.files.AuthClients)
	}
	var seen []fs.FileInfo
	for _, path := range c.paths() { // first: what changes while it is read is read again
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		seen = append(seen, info)
	}
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("tls-cert-file %s, tls-key-file %s: %w", c.files.Cert, c.files.Key, err)
	}
	authorities, err := c.authorities()
	if err != nil {
		return err
	}
	c.seen, c.config = seen, &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		ClientAuth:   auth,
		ClientCAs:    authorities,
	}
	return nil
}

func (c *certificates) authorities() (*x509.CertPool, error) {
	if c.files.CA == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.files.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tls-ca-cert-file %s: no certificates in it", c.files.CA)
	}
	return pool, nil
}
