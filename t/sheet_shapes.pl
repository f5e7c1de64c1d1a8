# Ownership sheets as companies keep them: each is imported as it is, and the map is
# what people meant by it, in every encoding and with every kind of line end.
#
# t/data/sheets/NAME is a sheet (invented), NAME.expected what import_sheet() says of
# it besides the cells that change, and the map afterwards, one line a field.
use strict;
use warnings;
use Encode qw(decode encode FB_CROAK LEAVE_SRC);
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

# name, encoding
my @sheets = (
	# Excel in German: title, semicolons, merged cells of the entity, a column without header
	[ 'handel.csv', 'cp1252' ],
	# a shared sheet, downloaded: headings between the rows
	[ 'shared.csv', 'UTF-8' ],
	# a page of a wiki: merged cells, lists and a table in cells
	[ 'wiki.html', 'UTF-8' ],
	# a decision record in Markdown: prose, a table with headers of its own for each entity
	[ 'record.md', 'UTF-8' ],
	# "Unicode text" of Excel: tabs
	[ 'unicode.txt', 'UTF-16LE' ],
	# what the first hour leaves: lists of fields, rows for whole entities
	[ 'workshop.csv', 'UTF-8' ],
	# tables and columns of the database; a carriage return is left of the last line end
	[ 'columns.csv', 'UTF-8' ],
	# printed by psql
	[ 'printed.txt', 'UTF-8' ],
	# kinds of systems, and inches
	[ 'kinds.csv', 'UTF-8' ],
	# every mistake in one run
	[ 'mistakes.csv', 'UTF-8' ],
);

my $node = new_node('shapes');
sql($node, 'postgres', q{CREATE DATABASE map TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'});
sql($node, 'map', q{
	CREATE EXTENSION ownership;
	INSERT INTO ownership.system (name, kind, title) VALUES ('erp', 'erp', 'SAP S/4HANA'), ('crm', 'crm', 'Salesforce'),
		('pim', 'pim', 'Akeneo'), ('shop', 'storefront', 'Shopware 6'), ('wms', 'wms', U&'K\00F6rber'), ('helpdesk', 'helpdesk', 'Zendesk');
	CREATE SCHEMA hub;
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text);
	CREATE TABLE hub.customer (id int PRIMARY KEY, email text, phone text)});

# What an import of the bytes says, and the map afterwards. Nothing of it stays.
sub imported
{
	my ($bytes) = @_;
	my $hex = unpack 'H*', $bytes;
	my $out = sql($node, 'map', qq{
		BEGIN;
		SELECT concat_ws(' ', line, field, change, 'PROBLEM ' || problem) FROM ownership.import_sheet(decode('$hex', 'hex'))
			WHERE problem IS NOT NULL OR change !~ '^(new field|(owner|readers|writers|columns|rationale|local|decided_by|decided_on): )';
		SELECT count(*) > 0 FROM ownership.import_sheet(decode('$hex', 'hex'), dry_run => false);
		SELECT '--';
		SELECT concat_ws('|', entity, field, coalesce(owner, '?'), 'read by ' || readers, 'written by ' || writers, 'in ' || columns, rationale) FROM ownership.sheet;
		ROLLBACK});
	$out =~ s/^t\n(?=--$)//m or die "nothing changes: $out";
	$out =~ s/\r\n?/\n/g;
	return "$out\n";
}

sub slurp_bytes { open my $file, '<:raw', $_[0] or die "$_[0]: $!"; local $/; return scalar <$file> }

foreach (@sheets)
{
	my ($name, $encoding) = @$_;
	my $path = "$FindBin::RealBin/data/sheets/$name";
	my $bytes = slurp_bytes($path);
	my $said = imported($bytes);
	is($said, slurp_bytes("$path.expected"), $name);

	my $text = decode($encoding, $bytes, FB_CROAK);
	$text =~ s/^\x{feff}//;
	foreach my $other ('UTF-8', 'UTF-16LE', 'UTF-16BE', 'cp1252')
	{
		my $coded = eval { encode($other, $text, FB_CROAK | LEAVE_SRC) } // next;
		is(imported($coded), $said, "$name in $other");
		is(imported(encode($other, "\x{feff}") . $coded), $said, "$name in $other, marked") if $other ne 'cp1252';
	}
	(my $unix = $text) =~ s/\r\n?/\n/g;
	foreach my $end ("\n", "\r\n", "\r")
	{
		(my $lines = $unix) =~ s/\n/$end/g;
		my $what = $name . ' with ' . ($end =~ s/\r/CR/r =~ s/\n/LF/r);
		is(imported(encode('UTF-8', $lines)), $said, $what);
		$lines =~ s/[\r\n]+\z//;
		is(imported(encode('UTF-8', $lines)), $said, "$what, none at the end");
		is(imported(encode('UTF-8', "$lines\r")), $said, "$what, CR at the end");
	}
}

done_testing();
