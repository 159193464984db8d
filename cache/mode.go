package cache

import "golang.org/x/sys/unix"

func isDir(mode uint32) bool     { return mode&unix.S_IFMT == unix.S_IFDIR }
func isFile(mode uint32) bool    { return mode&unix.S_IFMT == unix.S_IFREG }
func isSymlink(mode uint32) bool { return mode&unix.S_IFMT == unix.S_IFLNK }

// isSpecial tells a FIFO, socket or device, which no service can hold.
func isSpecial(mode uint32) bool { return !isDir(mode) && !isFile(mode) && !isSymlink(mode) }

// killPriv is mode after a change by somebody who may not keep set-id bits.
func killPriv(mode uint32) uint32 {
	if !isFile(mode) {
		return mode
	}
	mode &^= unix.S_ISUID
	if mode&unix.S_IXGRP != 0 {
		mode &^= unix.S_ISGID
	}
	return mode
}

const (
	maxName   = 255
	maxTarget = 4095
	maxLinks  = 65000
)

func checkName(name string) error {
	if len(name) > maxName {
		return ErrNameTooLong
	}
	if name == "" || name == "." || name == ".." {
		return ErrInvalid
	}
	return nil
}
