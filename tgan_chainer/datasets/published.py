"""How many clips the published data sets have."""

# By split, as the official lists have them (ucfTrainTestlist); the two halves of a split are all clips.
UCF101_CLIPS = {
    "all": 13_320,
    "train1": 9_537,
    "test1": 3_783,
    "train2": 9_586,
    "test2": 3_734,
    "train3": 9_624,
    "test3": 3_696,
}
UCF101_CLASSES = 101

MOVING_MNIST_CLIPS = 10_000
