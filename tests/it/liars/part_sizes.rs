//! Part sizes that cannot be true do not make uploads fail, and are not blamed on the caller.

use b2sdk::compose::Piece;
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{B2Api, BucketType, InMemoryAccountInfo, Operation, UploadOptions};

use crate::support::{BUCKET, authorize, noise};

#[test]
fn part_sizes_that_cannot_be_true_are_replaced_by_the_usual_ones() {
    for (smallest, recommended) in [
        (5_000_000, 0),
        (5_000_000, 1),
        (5_000_000, u64::MAX),
        (0, 0),
        (0, 100_000_000),
        (u64::MAX, 100_000_000),
        (u64::MAX, u64::MAX),
    ] {
        let service = Simulator::start().unwrap();
        service.faults().inject(
            Fault::on(Operation::AuthorizeAccount).edit_json(move |json| {
                let storage = &mut json["apiInfo"]["storageApi"];
                storage["absoluteMinimumPartSize"] = smallest.into();
                storage["recommendedPartSize"] = recommended.into();
            }),
        );
        let api = B2Api::new(InMemoryAccountInfo::new());
        authorize(&api, &service);
        let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
        let content = noise(6_000_000);
        let case = format!("{smallest} {recommended}");
        for (name, options, parts) in [
            ("whole", UploadOptions::new(), 1),
            ("parts", UploadOptions::new().part_size(5_000_000), 2),
        ] {
            let uploaded = bucket.upload_bytes_with(&content, name, &options).unwrap();
            assert_eq!(uploaded.parts(), parts, "{case}");
            let downloaded = bucket.download_file_by_name(name).unwrap();
            assert!(downloaded.read_to_vec().unwrap() == content, "{case}");
        }
        let stored = bucket.get_file_info_by_name("whole").unwrap();
        let twice = [
            Piece::remote(&stored.file_id),
            Piece::remote(&stored.file_id),
        ];
        let joined = bucket.concatenate(&twice, "twice").unwrap();
        assert_eq!(joined.parts(), 2, "{case}");
        // A stream is cut into parts of the size that is recommended.
        let streamed = bucket.upload_stream(&content[..100], "stream").unwrap();
        assert_eq!(streamed.parts(), 1, "{case}");
    }
}
