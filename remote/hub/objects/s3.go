package objects

import (
	"context"
	"crypto/md5" // the size of an ETag that is one
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Config names a bucket.
type S3Config struct {
	Endpoint  string // host:port
	Bucket    string
	Prefix    string // of all keys; "" or ending in /
	Region    string // "" : us-east-1
	AccessKey string
	SecretKey string
	Plain     bool // http instead of https
	Transport http.RoundTripper
	Now       func() time.Time // nil: time.Now
}

// ParseS3 reads s3://KEY:SECRET@host:port/bucket[/prefix]?tls=false&region=R. Credentials that are not in it come from
// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the region from AWS_REGION; getenv is os.Getenv. Errors never hold raw.
func ParseS3(raw string, getenv func(string) string) (S3Config, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return S3Config{}, errors.New("objects: not of the form s3://KEY:SECRET@host:port/bucket")
	}
	bucket, prefix, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if bucket == "" {
		return S3Config{}, errors.New("objects: the s3:// address names no bucket")
	}
	if prefix != "" {
		prefix += "/"
	}
	c := S3Config{
		Endpoint: u.Host, Bucket: bucket, Prefix: prefix, Region: u.Query().Get("region"),
		AccessKey: getenv("AWS_ACCESS_KEY_ID"), SecretKey: getenv("AWS_SECRET_ACCESS_KEY"),
	}
	if u.User != nil {
		c.AccessKey = u.User.Username()
		c.SecretKey, _ = u.User.Password()
	}
	if c.Region == "" {
		c.Region = getenv("AWS_REGION")
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if tls := u.Query().Get("tls"); tls != "" {
		on, err := strconv.ParseBool(tls)
		if err != nil {
			return S3Config{}, errors.New("objects: tls= is true or false")
		}
		c.Plain = !on
	}
	return c, nil
}

// S3 keeps objects in a bucket.
type S3 struct {
	cfg  S3Config
	core minio.Core
}

var _ Store = (*S3)(nil)

// OpenS3 checks that the bucket is there, and makes it where it is not.
func OpenS3(ctx context.Context, cfg S3Config) (*S3, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	client, err := minio.New(cfg.Endpoint, &minio.Options{
		Creds:  credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""),
		Secure: !cfg.Plain, Region: cfg.Region, Transport: cfg.Transport, BucketLookup: minio.BucketLookupAuto,
	})
	if err != nil {
		return nil, fmt.Errorf("objects: s3: %w", err)
	}
	ok, err := client.BucketExists(ctx, cfg.Bucket)
	if err == nil && !ok {
		err = client.MakeBucket(ctx, cfg.Bucket, minio.MakeBucketOptions{Region: cfg.Region})
	}
	if err != nil {
		return nil, fmt.Errorf("objects: s3 bucket %s: %w", cfg.Bucket, err)
	}
	return &S3{cfg: cfg, core: minio.Core{Client: client}}, nil
}

func (s *S3) incoming(key string) string { return s.cfg.Prefix + "incoming/" + key }
func (s *S3) object(key string) string   { return s.cfg.Prefix + "objects/" + key }

// lifetime bounds what is left until expires to what S3 takes.
func lifetime(expires time.Time) time.Duration {
	return min(max(time.Until(expires), time.Second), 7*24*time.Hour)
}

// SignPut implements Store. Content-Length is signed where it is known, and Content-Type where one was declared.
func (s *S3) SignPut(ctx context.Context, _ string, u Upload, part int, expires time.Time) (Signed, error) {
	name, query, header := s.incoming(u.Key), url.Values{}, http.Header{}
	size := u.Size
	if part > 0 {
		name, size = s.object(u.Key), u.partLen(part)
		query.Set("uploadId", u.UploadID)
		query.Set("partNumber", strconv.Itoa(part))
	} else if u.Type != "" {
		header.Set("Content-Type", u.Type)
	}
	if size >= 0 {
		header.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	signed, err := s.core.PresignHeader(ctx, http.MethodPut, s.cfg.Bucket, name, lifetime(expires), query, header)
	if err != nil {
		return Signed{}, fmt.Errorf("objects: sign: %w", err)
	}
	return Signed{URL: signed.String()}, nil
}

// SignGet implements Store.
func (s *S3) SignGet(ctx context.Context, r Read, expires time.Time) (string, error) {
	u, err := s.core.PresignedGetObject(ctx, s.cfg.Bucket, s.object(r.Key), lifetime(expires), url.Values{
		"response-content-type":        {r.Type},
		"response-content-disposition": {r.Disposition},
	})
	if err != nil {
		return "", fmt.Errorf("objects: sign: %w", err)
	}
	return u.String(), nil
}

// StartParts implements Store.
func (s *S3) StartParts(ctx context.Context, key, contentType string) (string, error) {
	id, err := s.core.NewMultipartUpload(ctx, s.cfg.Bucket, s.object(key), minio.PutObjectOptions{ContentType: contentType})
	if err != nil {
		return "", fmt.Errorf("objects: start parts: %w", err)
	}
	return id, nil
}

// Arrived implements Store.
func (s *S3) Arrived(ctx context.Context, u Upload) ([]Part, error) {
	var parts []Part
	for marker := 0; ; {
		page, err := s.core.ListObjectParts(ctx, s.cfg.Bucket, s.object(u.Key), u.UploadID, marker, 1000)
		if err != nil {
			return nil, fmt.Errorf("objects: parts: %w", err)
		}
		for _, p := range page.ObjectParts {
			if u.fits(p.PartNumber, p.Size) {
				parts = append(parts, Part{N: p.PartNumber, ETag: strings.Trim(p.ETag, `"`), Size: p.Size})
			}
		}
		if !page.IsTruncated || page.NextPartNumberMarker <= marker {
			return parts, nil
		}
		marker = page.NextPartNumberMarker
	}
}

// Commit implements Store.
func (s *S3) Commit(ctx context.Context, u Upload, etags map[int]string) (Object, error) {
	if o, err := s.stat(ctx, s.object(u.Key), u.Size); !errors.Is(err, ErrNotFound) { // by an earlier try (O4)
		return o, err
	}
	if u.Parts() > 0 {
		return s.complete(ctx, u, etags)
	}
	arrived, err := s.stat(ctx, s.incoming(u.Key), u.Size)
	if errors.Is(err, ErrNotFound) {
		return Object{}, ErrMissing
	}
	if err != nil {
		return Object{}, err
	}
	// What is copied is what was measured: a PUT in between changes the ETag.
	_, err = s.core.CopyObject(ctx, s.cfg.Bucket, s.incoming(u.Key), s.cfg.Bucket, s.object(u.Key), nil,
		minio.CopySrcOptions{MatchETag: arrived.ETag}, minio.PutObjectOptions{})
	if err != nil {
		return Object{}, fmt.Errorf("objects: commit: %w", err)
	}
	return s.stat(ctx, s.object(u.Key), u.Size)
}

func (s *S3) complete(ctx context.Context, u Upload, etags map[int]string) (Object, error) {
	parts, err := s.Arrived(ctx, u)
	if err != nil {
		return Object{}, err
	}
	if len(parts) != u.Parts() {
		return Object{}, ErrMissing
	}
	list, size := make([]minio.CompletePart, len(parts)), int64(0)
	for i, p := range parts {
		size += p.Size
		if want, ok := etags[p.N]; ok && want != p.ETag {
			return Object{}, ErrMismatch
		}
		list[i] = minio.CompletePart{PartNumber: p.N, ETag: p.ETag}
	}
	if size != u.Size { // O3
		return Object{}, ErrMismatch
	}
	if _, err := s.core.CompleteMultipartUpload(ctx, s.cfg.Bucket, s.object(u.Key), u.UploadID, list,
		minio.PutObjectOptions{}); err != nil {
		if minio.ToErrorResponse(err).Code == "EntityTooSmall" {
			return Object{}, ErrTooSmall
		}
		return Object{}, fmt.Errorf("objects: complete: %w", err)
	}
	return s.stat(ctx, s.object(u.Key), u.Size)
}

// stat describes an object that must have size bytes. ErrNotFound, ErrMismatch.
func (s *S3) stat(ctx context.Context, name string, size int64) (Object, error) {
	info, err := s.core.StatObject(ctx, s.cfg.Bucket, name, minio.StatObjectOptions{})
	if err != nil {
		if gone(err) {
			return Object{}, ErrNotFound
		}
		return Object{}, fmt.Errorf("objects: stat: %w", err)
	}
	if info.Size != size {
		return Object{}, ErrMismatch
	}
	etag := strings.Trim(info.ETag, `"`)
	return Object{Size: size, ETag: etag, MD5: md5Of(etag, info.Metadata)}, nil
}

// md5Of returns the MD5 that an ETag is, "" where it is none: of an object made of parts, or encrypted with a key that is
// not the store's own, it is something else that may look like one.
func md5Of(etag string, header http.Header) string {
	etag = strings.ToLower(etag)
	if raw, err := hex.DecodeString(etag); err != nil || len(raw) != md5.Size {
		return ""
	}
	if sse := header.Get("X-Amz-Server-Side-Encryption"); sse != "" && sse != "AES256" {
		return ""
	}
	if header.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") != "" {
		return ""
	}
	return etag
}

// gone tells whether an error of S3 means that there is no such object or upload.
func gone(err error) bool {
	r := minio.ToErrorResponse(err)
	return r.Code == minio.NoSuchKey || r.Code == minio.NoSuchUpload || r.StatusCode == http.StatusNotFound
}

// Cleanup implements Store.
func (s *S3) Cleanup(ctx context.Context, u Upload) error {
	if u.Parts() > 0 {
		return nil
	}
	return s.remove(ctx, s.incoming(u.Key))
}

func (s *S3) remove(ctx context.Context, name string) error {
	if err := s.core.RemoveObject(ctx, s.cfg.Bucket, name, minio.RemoveObjectOptions{}); err != nil && !gone(err) {
		return fmt.Errorf("objects: delete: %w", err)
	}
	return nil
}

// Put implements Store.
func (s *S3) Put(ctx context.Context, key, contentType string, r io.Reader, size int64) (Object, error) {
	// Over plain HTTP a signed body is framed as aws-chunked, which some servers keep as the object's Content-Encoding and
	// tell every reader.
	options := minio.PutObjectOptions{ContentType: contentType, DisableContentSha256: true}
	if _, err := s.core.Client.PutObject(ctx, s.cfg.Bucket, s.object(key), r, size, options); err != nil {
		return Object{}, fmt.Errorf("objects: put: %w", err)
	}
	return s.stat(ctx, s.object(key), size)
}

// Copy implements Store: the server copies, no byte comes here.
func (s *S3) Copy(ctx context.Context, from, to string) error {
	_, err := s.core.ComposeObject(ctx, minio.CopyDestOptions{Bucket: s.cfg.Bucket, Object: s.object(to)},
		minio.CopySrcOptions{Bucket: s.cfg.Bucket, Object: s.object(from)})
	if err != nil && gone(err) {
		return fmt.Errorf("%w: %s", ErrNotFound, from)
	}
	if err != nil {
		return fmt.Errorf("objects: copy: %w", err)
	}
	return nil
}

// Open implements Store.
func (s *S3) Open(ctx context.Context, key string) (io.ReadSeekCloser, error) {
	o, err := s.core.Client.GetObject(ctx, s.cfg.Bucket, s.object(key), minio.GetObjectOptions{})
	if err != nil {
		return nil, fmt.Errorf("objects: open: %w", err)
	}
	return o, nil
}

// Delete implements Store.
func (s *S3) Delete(ctx context.Context, key, uploadID string) error {
	errs := []error{s.remove(ctx, s.object(key)), s.remove(ctx, s.incoming(key))}
	if uploadID != "" {
		if err := s.core.AbortMultipartUpload(ctx, s.cfg.Bucket, s.object(key), uploadID); err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("objects: abort: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Each implements Store.
func (s *S3) Each(ctx context.Context, fn func([]string) error) error {
	for _, prefix := range []string{s.incoming(""), s.object("")} {
		if err := s.list(ctx, prefix, fn); err != nil {
			return err
		}
	}
	return nil
}

func (s *S3) list(ctx context.Context, prefix string, fn func([]string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the lister where fn fails
	var batch []string
	for o := range s.core.ListObjectsIter(ctx, s.cfg.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return fmt.Errorf("objects: list: %w", o.Err)
		}
		if batch = append(batch, strings.TrimPrefix(o.Key, prefix)); len(batch) == sweepBatch {
			if err := fn(batch); err != nil {
				return err
			}
			batch = nil
		}
	}
	if len(batch) == 0 {
		return ctx.Err()
	}
	return fn(batch)
}

// Sweep implements Store: uploads that were confirmed are removed from the place where they arrived, and multipart
// uploads that no file waits for are given up.
func (s *S3) Sweep(ctx context.Context, known func([]string) (map[string]bool, error)) error {
	unwanted := func(keys []string, remove func(key string) error) error {
		confirmed, err := known(keys)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if done, there := confirmed[key]; done || !there {
				if err := remove(key); err != nil {
					return err
				}
			}
		}
		return nil
	}
	err := s.list(ctx, s.incoming(""), func(keys []string) error {
		return unwanted(keys, func(key string) error { return s.remove(ctx, s.incoming(key)) })
	})
	if err != nil {
		return err
	}
	for keyMarker, idMarker := "", ""; ; {
		page, err := s.core.ListMultipartUploads(ctx, s.cfg.Bucket, s.object(""), keyMarker, idMarker, "", sweepBatch)
		if err != nil {
			return fmt.Errorf("objects: list uploads: %w", err)
		}
		for _, up := range page.Uploads {
			// A multipart upload is begun before its file has a row, so a young one is let be.
			if s.cfg.Now().Sub(up.Initiated) < time.Hour {
				continue
			}
			if err := unwanted([]string{strings.TrimPrefix(up.Key, s.object(""))}, func(string) error {
				return s.core.AbortMultipartUpload(ctx, s.cfg.Bucket, up.Key, up.UploadID)
			}); err != nil {
				return err
			}
		}
		if !page.IsTruncated {
			return nil
		}
		keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
	}
}

// Free implements Store.
func (s *S3) Free(context.Context) (int64, error) { return -1, nil }
