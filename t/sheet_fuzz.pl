# import_sheet() with files that are cut off, damaged, not text, or very large: each is a
# list of problems and changes, never an internal error, nor a crash; no input of ten megabytes
# takes long, and a statement ends when it is cancelled.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('fuzz');
my $seed = $ENV{OWNERSHIP_FUZZ_SEED} || 1;
srand $seed;
sql($node, 'postgres', q{
	CREATE EXTENSION ownership;
	INSERT INTO ownership.system (name, kind, title) VALUES ('erp', 'erp', 'SAP S/4HANA'), ('crm', 'crm', 'Salesforce'), ('shop', 'storefront', 'Bits, Bolts & Co');
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text);
	SELECT ownership.assign('product', NULL, NULL);
	CREATE TABLE damaged (id serial, file bytea, said int, failed text);
	/* the transaction that an import is part of must be as usable as before */
	CREATE FUNCTION try_all() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		d record;
		n int;
	BEGIN
		FOR d IN SELECT * FROM damaged WHERE said IS NULL ORDER BY id LOOP
			BEGIN
				SELECT count(*) INTO n FROM ownership.import_sheet(d.file, entity => CASE WHEN d.id % 3 = 0 THEN 'product' END);
				UPDATE damaged SET said = n WHERE id = d.id;
			EXCEPTION WHEN OTHERS THEN
				UPDATE damaged SET said = -1, failed = SQLSTATE || ' ' || SQLERRM WHERE id = d.id;
			END;
		END LOOP;
	END $$;});

#
# Damage
#
my @files;
foreach my $path (sort grep { !/\.expected$/ } glob "$FindBin::RealBin/data/sheets/*")
{
	open my $file, '<:raw', $path or die "$path: $!";
	local $/;
	push @files, scalar <$file>;
}
cmp_ok(scalar @files, '>=', 7, 'there are sheets to damage');
my @pieces = ("\0", "\xff\xfe", "\xfe\xff", "\xef\xbb\xbf", '"', '""', "\r", "\n", "\r\n", '|', '|---|', '<table>', '</table>', '<tr>', '<td rowspan=9 colspan=9>',
	'<td', '&', '&#', '&#x110000;', '&amp', '<!--', '-->', '\\', '\\|', '[', '](', '**', "\t", ';', ',', '(', ')', '#', ':', "\xc2\xa0", "\xe2\x80", "\xf0\x9f\x98\x80", "\x81", 'x' x 300);
my @damaged;
foreach my $round (1 .. 600)
{
	my $bytes = $files[ rand @files ];
	foreach (0 .. rand 4)
	{
		my $at = int rand(1 + length $bytes);
		my $kind = int rand 6;
		if ($kind == 0) { $bytes = substr $bytes, 0, $at }
		elsif ($kind == 1) { $bytes = substr $bytes, $at }
		elsif ($kind == 2) { substr($bytes, $at, int rand 3) = chr int rand 256 }
		elsif ($kind == 3) { substr($bytes, $at, 0) = $pieces[ rand @pieces ] x (1 + rand 3) }
		elsif ($kind == 4) { my $other = $files[ rand @files ]; substr($bytes, $at) = substr $other, int rand length $other }
		else { my $part = substr $bytes, $at, int rand 40; substr($bytes, int rand(1 + length $bytes), 0) = $part x (1 + rand 3) }
	}
	push @damaged, $bytes;
}
push @damaged, map { join '', map { chr int rand 256 } 1 .. rand 400 } 1 .. 100;
push @damaged, map { join '', map { $pieces[ rand @pieces ] } 1 .. rand 60 } 1 .. 200;
sql($node, 'postgres', 'INSERT INTO damaged (file) VALUES ' . join ', ', map { "('\\x" . unpack('H*', $_) . "')" } @damaged);
sql($node, 'postgres', 'SELECT try_all()');
is(sql($node, 'postgres', 'SELECT count(*), count(said) FROM damaged'), scalar(@damaged) . '|' . scalar(@damaged), 'every damaged file has an answer');
is(sql($node, 'postgres', q{SELECT failed, encode(file, 'escape') FROM damaged WHERE failed IS NOT NULL ORDER BY id LIMIT 3}), '', 'and none is an error');
cmp_ok(sql($node, 'postgres', 'SELECT count(*) FROM damaged WHERE said > 1'), '>', 300, 'many of them are still sheets');

#
# Ten megabytes of what could take more than linear time
#
my %large = (
	separators => q{repeat(',', 10000000)},
	'blank lines' => q{repeat(E'\r\n', 5000000)},
	'a quotation mark a line' => q{'field,owner' || repeat(E'\n"', 5000000)},
	'two quotation marks a line' => q{'field,owner' || repeat(E'\n""x', 200000)},
	'three quotation marks a line' => q{'field,owner' || repeat(E'\n"""x', 200000)},
	'a long field' => q{E'field,owner\nproduct.' || repeat('x', 10000000) || ',erp'},
	'a list of fields' => q{E'field;owner\n' || repeat('a, ', 3300000) || ';erp'},
	'a list of owners' => q{E'field;owner\nproduct.price;' || repeat('erp,', 2500000)},
	'a list of strangers' => q{E'field;owner\nproduct.price;' || repeat('x/', 4900)},
	'a long rationale' => q{E'field;why\nproduct.price;"' || repeat('x ""', 2500000) || '"'},
	'rows without entity' => q{E'field;owner\n' || repeat(E'price;erp\n', 100000)},
	'tables in tables' => q{'<table>' || repeat('<table><tr><td>', 600000)},
	'lists in a cell' => q{'<table><tr><th>field<th>owner<tr><td>' || repeat('<ul><li>', 1200000)},
	'quotation marks in tags' => q{repeat('<a ">', 2000000) || repeat('<a ''>', 1)},
	'merged cells' => q{'<table><tr><th>field<th>owner' || repeat('<tr><td colspan=1000 rowspan=60000>x', 30000)},
	'comments' => q{'<' || repeat('<!--', 2500000)},
	'scripts' => q{'<' || repeat('<script></', 1000000)},
	'character references' => q{'<p>' || repeat('&amp;&#65;', 1000000)},
	'marks of bold' => q{E'|field|owner|\n|---|---|\n|' || repeat('*', 10000000)},
	'half a link' => q{E'|field|owner|\n|---|---|\n|' || repeat('[', 10000000) || ')|'},
	'line breaks in a cell' => q{E'|field|owner|\n|---|---|\n|' || repeat('<br', 3000000)},
	'headings' => q{E'field,owner\n' || repeat(E'x,\n,\n', 1000000)},
	'UTF-16' => q{decode('fffe' || repeat('66000d00', 2500000), 'hex')},
	zeros => q{decode(repeat('00', 10000000), 'hex')},
	'Windows-1252' => q{decode(repeat('fc0a', 5000000), 'hex')},
);
foreach my $what (sort keys %large)
{
	my ($ret, $out, $err) = $node->psql('postgres',
		"SET statement_timeout = '150s'; SELECT count(*) > 0 OR true FROM ownership.import_sheet($large{$what})");
	is("$ret $out $err", '0 t ', "$what: an answer");
}

#
# A cancelled statement ends
#
foreach my $what ('rows without entity', 'three quotation marks a line', 'tables in tables', 'a quotation mark a line', 'headings')
{
	my $start = time;
	my ($ret, $out, $err) = $node->psql('postgres', "SET statement_timeout = '50ms'; SELECT count(*) FROM ownership.import_sheet($large{$what})");
	like($err, qr/canceling statement due to statement timeout/, "$what: it can be cancelled");
	cmp_ok(time - $start, '<', 15, "$what: soon");
}

done_testing();
